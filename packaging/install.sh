#!/bin/sh
# Installs aq, stub-coordinator and conformance from a release archive, after its checksum was compared.
#
# Usage: install.sh [--prefix DIR] [--version VERSION] [--from PLACE]
#        install.sh --uninstall [--prefix DIR]
#
#   --prefix DIR        where bin/ and share/ are filled; ~/.local where it is left out
#   --version VERSION   another version than the one that this script came with
#   --from PLACE        a folder, or an address, that holds archive and SHA256SUMS; the release on GitHub otherwise
#   --uninstall         takes away what was installed below the prefix
set -eu

# The release fills these two in.
REPOSITORY=OWNER/REPOSITORY
VERSION=

say() { printf '%s\n' "$*"; }
fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}
usage() {
  printf 'install.sh: %s; the first lines of this script say what can be typed\n' "$*" >&2
  exit 2
}

# The name that archives of this machine have, or the way without one.
platform() {
  by_cargo='build it with Rust instead: cargo install --path runner, in a checkout (docs/install.md)'
  system=$(uname -s) machine=$(uname -m)
  # A shell under Rosetta says that the machine is an Intel Mac.
  if [ "$system" = Darwin ] && [ "$(sysctl -n hw.optional.arm64 2>/dev/null || :)" = 1 ]; then
    machine=arm64
  fi
  case $machine in
    x86_64 | amd64) machine=x86_64 ;;
    aarch64 | arm64) machine=aarch64 ;;
    *) fail "there is no archive for the machine $machine; $by_cargo" ;;
  esac
  case $system in
    Linux)
      if ls /lib/ld-musl-* >/dev/null 2>&1 && ! ls /lib*/ld-linux-* /lib/*/ld-linux-* >/dev/null 2>&1; then
        fail "the archives for Linux need glibc, and this system has musl; $by_cargo"
      fi
      say "$machine-unknown-linux-gnu"
      ;;
    Darwin) say "$machine-apple-darwin" ;;
    *) fail "there is no archive for $system; $by_cargo" ;;
  esac
}

# Fetches one file of the place.
fetch() {
  case $place in
    https://* | http://127.0.0.1:* | http://localhost:*)
      if command -v curl >/dev/null; then
        curl -fsSL -o "$2" "$place/$1"
      elif command -v wget >/dev/null; then
        wget -qO "$2" "$place/$1"
      else
        fail "neither curl nor wget is here; install one of them, or fetch the files and name their folder by --from"
      fi
      ;;
    file://*) cp "${place#file://}/$1" "$2" ;;
    *://*) fail "--from takes a folder or an https address, not $place" ;;
    *) cp "$place/$1" "$2" ;;
  esac || fail "$1 can't be fetched from $place; look whether that release has an archive for this machine"
}

sha256() {
  if command -v sha256sum >/dev/null; then
    sha256sum "$1"
  elif command -v shasum >/dev/null; then
    shasum -a 256 "$1"
  else
    fail "neither sha256sum nor shasum is here, so nothing can be verified; install one of them"
  fi | cut -d ' ' -f 1
}

uninstall() {
  list=$prefix/share/agent-queue/installed-files
  [ -f "$list" ] || fail "nothing was installed below $prefix by this script; name the place by --prefix"
  while IFS= read -r file; do
    rm -f "$prefix/$file"
  done <"$list"
  rm -f "$list"
  rmdir "$prefix/share/agent-queue" "$prefix/share/doc/agent-queue" 2>/dev/null || :
  say "removed aq, stub-coordinator and conformance from $prefix; queues and settings are untouched"
}

install() {
  target=$(platform) || exit 1
  [ -n "$VERSION" ] || usage "name a version by --version, as this script came with none"
  name=agent-queue-$VERSION-$target
  place=${place:-https://github.com/$REPOSITORY/releases/download/v$VERSION}
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' INT TERM HUP
  fetch SHA256SUMS "$work/SHA256SUMS"
  fetch "$name.tar.gz" "$work/$name.tar.gz"
  wanted=$(sed -n "s/^\([0-9a-f]*\) [ *]$name\.tar\.gz\$/\1/p" "$work/SHA256SUMS")
  [ -n "$wanted" ] || fail "SHA256SUMS of $place does not name $name.tar.gz, so nothing was installed"
  found=$(sha256 "$work/$name.tar.gz")
  [ "$found" = "$wanted" ] ||
    fail "$name.tar.gz has the checksum $found and not $wanted, so nothing was installed; fetch it again"
  tar -C "$work" -xzf "$work/$name.tar.gz"
  "$work/$name/bin/aq" --version >/dev/null ||
    fail "aq of this archive does not start here (the lines above say why), so nothing was installed; build it with Rust"

  (cd "$work/$name" && find . -type f) | sed 's,^\./,,' | sort >"$work/files"
  while IFS= read -r file; do
    mkdir -p "$prefix/$(dirname "$file")"
    # A program that runs can't be written to, but another file can take its name.
    cp "$work/$name/$file" "$prefix/$file.new"
    mv -f "$prefix/$file.new" "$prefix/$file"
  done <"$work/files"
  cp "$work/files" "$prefix/share/agent-queue/installed-files"

  say "the checksum of $name.tar.gz is right"
  say "installed $("$prefix/bin/aq" --version), stub-coordinator and conformance into $prefix/bin"
  say "with manual pages and completions below $prefix/share; install.sh --uninstall --prefix $prefix removes all of it"
  case :$PATH: in
    *:"$prefix/bin":*) ;;
    *) say "$prefix/bin is not on your PATH yet: put  export PATH=\"$prefix/bin:\$PATH\"  into your shell's profile" ;;
  esac
}

# All of it is read before any of it runs: a script that breaks off in the middle of its download does nothing.
main() {
  prefix=${HOME:-}/.local place='' task=install
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix | --version | --from) [ $# -gt 1 ] || usage "$1 needs a value" ;;
    esac
    case $1 in
      --prefix) prefix=$2 && shift ;;
      --version) VERSION=${2#v} && shift ;;
      --from) place=${2%/} && shift ;;
      --uninstall) task=uninstall ;;
      *) usage "it does not know $1" ;;
    esac
    shift
  done
  case $prefix in
    /?*) ;;
    *) usage "--prefix has to be an absolute path, and is $prefix" ;;
  esac
  $task
}

main "$@"
