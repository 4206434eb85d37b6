//! Puts the files of `targets/` into the program, so that it can start servers wherever it is: what is installed or built there is left out.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::{env, io};

/// Folders of what is installed or built, and the locks of old versions, which only the self-test in the repository reads.
const LEFT_OUT: [&str; 5] = ["node_modules", "target", "build", "__pycache__", "known-bugs-locks"];
/// Nothing that is written by hand is longer.
const MOST_BYTES: u64 = 1 << 20;

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("targets");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("targets.rs");
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut code = String::from("&[\n");
    // FNV-1a: what is unpacked from another version has another name.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    println!("cargo::rerun-if-changed=build.rs");
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        let content = fs::read(file)?;
        for byte in name.bytes().chain(content) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let _ = writeln!(code, "    ({name:?}, include_bytes!({:?})),", file.display().to_string());
    }
    code.push_str("]\n");
    println!("cargo::rustc-env=SIO_BENCH_TARGETS_HASH={hash:016x}");
    fs::write(out, code)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        let about = fs::metadata(&path)?;
        if about.is_dir() {
            collect(&path, files)?;
        } else if about.len() <= MOST_BYTES {
            files.push(path);
        }
    }
    Ok(())
}
