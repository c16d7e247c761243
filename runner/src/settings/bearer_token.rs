//! The coordinator's token: a value that can be sent and compared, and nothing else.
//!
//! It has no `Display`, and its `Debug` shows that there is one, not which: what can't be printed by accident is not
//! in a log. `Settings::child_environment` keeps it out of children's environments.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;

/// No token is as long; a longer file is some other file.
const FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BearerToken(Arc<str>);

impl BearerToken {
    /// Takes the text without the white space around it, so that a file may end in a newline.
    ///
    /// # Errors
    /// What makes it unusable as a bearer token.
    pub(crate) fn new(text: &str) -> Result<BearerToken, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            Err("it is empty")
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err("it holds white space or characters that a header can't carry")
        } else {
            Ok(BearerToken(Arc::from(text)))
        }
    }

    /// The secret itself, for the one header that carries it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(not shown)")
    }
}

/// Whether anyone but the owner may read a token file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileAccess {
    OwnerOnly,
    Others,
}

/// The file's text and who may read it.
///
/// Opening never blocks, so that a pipe which nobody writes to is an error and not a runner that hangs.
pub(crate) fn read_file(path: &Path) -> io::Result<(String, FileAccess)> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)?;
    let access = match file.metadata()?.mode() & 0o077 {
        0 => FileAccess::OwnerOnly,
        _ => FileAccess::Others,
    };
    let mut text = String::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    match read as u64 > FILE_BYTES_MAX {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "far too long for a token",
        )),
        false => Ok((text, access)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_prints_itself() {
        let token = BearerToken::new("sesame-opens\n").unwrap();
        assert_eq!(token.reveal(), "sesame-opens");
        assert_eq!(format!("{token:?}"), "Token(not shown)");
        assert!(!format!("{:?}", Some(&token)).contains("sesame"));
    }

    #[test]
    fn what_a_header_cannot_carry_is_no_token() {
        for text in [
            "",
            " \n",
            "two words",
            "line\nline",
            "snow\u{2603}man",
            "bell\u{7}",
        ] {
            assert!(BearerToken::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_pipe_without_a_writer_and_an_endless_file_do_not_hold_the_runner_up() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        // It reads as empty: nobody has it open for writing.
        assert_eq!(read_file(&pipe).unwrap().0, "");
        let endless = read_file(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(endless.kind(), io::ErrorKind::FileTooLarge);
    }
}
