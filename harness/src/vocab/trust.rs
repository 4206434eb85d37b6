//! Whose word is taken.

/// Whose certificates are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those that this machine trusts.
    #[default]
    System,
    /// Those signed by what is in a PEM file.
    File(std::path::PathBuf),
    /// The same, of the text of such a file that came with the scenario.
    Pem(String),
    /// Every one: for a server of one's own.
    Anybody,
}
