//! `sio-bench verify`

use std::path::PathBuf;

use sio_oracle::Proof;

use super::{complain, print};
use crate::exit::Exit;
use crate::input;

/// Checks proofs of violations by other means than those that found them.
pub(super) fn verify(files: &[PathBuf]) -> Exit {
    let mut exit = Exit::Passed;
    for file in files {
        let text = match input::text(file) {
            Ok(text) => text,
            Err(error) => {
                complain(&format!("cannot read {}: {error}", file.display()));
                return Exit::Usage;
            }
        };
        let proof: Proof = match serde_json::from_str(&text) {
            Ok(proof) => proof,
            Err(error) => {
                complain(&format!(
                    "{} is no proof: {error}\n  sio-bench explore writes them as proof.json",
                    file.display()
                ));
                return Exit::Usage;
            }
        };
        let claim = &proof.claim;
        let verdict = match sio_oracle::verify::verify(&proof) {
            Ok(()) => format!("CONFIRMED {}: {}: {}\n", file.display(), claim.invariant, claim.summary),
            Err(why) => {
                exit = Exit::Failed;
                format!("REFUTED {}: {}: {}\n  {why}\n", file.display(), claim.invariant, claim.summary)
            }
        };
        let _ = print(&verdict);
    }
    exit
}
