//! The test of every scenario is generated from the files that are there, which Cargo can't know by itself.

fn main() {
    println!("cargo::rerun-if-changed=../scenarios");
}
