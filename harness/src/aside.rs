//! What is said beside the results, on standard error: progress, remarks, and why the program ends. Whoever has closed it
//! wants to hear nothing, and that is no failure.

use std::io::{self, Write as _};

use crate::secrets::hide;
use crate::vocab::text::{printable, without_commands};

/// Says it, on lines of its own. What servers and files say never moves the cursor.
pub fn aside(text: &str) {
    let _ = writeln!(io::stderr(), "{}", without_commands(&printable(&hide(text.trim_end()))));
}
