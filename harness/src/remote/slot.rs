//! The part that a worker takes where whoever started it has numbered it: launchers of many processes say so in the environment.

/// Parts of a run, at most.
pub const MOST_PARTS: u32 = 1_000;

/// Variables with the number of a process among all, counted from 0. Of a launcher inside another's allocation the inner one counts:
/// where `mpirun` starts workers in a job of Slurm, only the first of these differs from worker to worker.
const VARIABLES: [&str; 4] = ["OMPI_COMM_WORLD_RANK", "SLURM_PROCID", "NOMAD_ALLOC_INDEX", "JOB_COMPLETION_INDEX"];

/// A part that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Counted from 1.
    pub number: u32,
    /// The setting of the environment that says so, unless the command line does.
    pub said_by: Option<String>,
}

impl Slot {
    /// What the command line says, else what the environment does; without either any part will do.
    pub fn find(option: Option<u32>, environment: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        if let Some(number) = option {
            return Ok(Some(Self { number, said_by: None }));
        }
        let said = |name: &'static str| Some((name, environment(name)?)).filter(|(_, value)| !value.is_empty());
        let Some((name, value)) = VARIABLES.into_iter().find_map(said) else { return Ok(None) };
        match value.parse::<u32>() {
            Ok(index) if index < MOST_PARTS => {
                Ok(Some(Self { number: index + 1, said_by: Some(format!("{name}={index}")) }))
            }
            _ => Err(format!(
                "{name} of the environment is `{}`, and says which part of a run this worker takes: expected a whole number from 0 to {}\n  \
                 --slot K says it instead, counted from 1; without the variable (`env -u {name} sio-bench worker …`) any part is taken",
                super::wire::words(&value).chars().take(40).collect::<String>(),
                MOST_PARTS - 1
            )),
        }
    }

    /// What is to be done where the part cannot be had, if the environment has asked for it.
    pub fn hint(&self) -> String {
        self.said_by.as_deref().map_or_else(String::new, |said| {
            format!(
                "\n  that part is asked for by {said} of the environment; --slot K asks for another, counted from 1"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(option: Option<u32>, variables: &[(&str, &str)]) -> Result<Option<Slot>, String> {
        let read = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned());
        Slot::find(option, read)
    }

    fn slot(number: u32, said_by: &str) -> Slot {
        Slot { number, said_by: Some(said_by.to_owned()) }
    }

    #[test]
    fn launchers_number_from_zero() {
        assert_eq!(found(None, &[]), Ok(None));
        assert_eq!(found(None, &[("SLURM_PROCID", "")]), Ok(None));
        for name in VARIABLES {
            assert_eq!(found(None, &[(name, "0")]), Ok(Some(slot(1, &format!("{name}=0")))));
            assert_eq!(found(None, &[(name, "999")]), Ok(Some(slot(1_000, &format!("{name}=999")))));
        }
    }

    #[test]
    fn the_command_line_comes_first_and_then_the_inner_launcher() {
        let both = [("SLURM_PROCID", "0"), ("OMPI_COMM_WORLD_RANK", "3")];
        assert_eq!(found(None, &both), Ok(Some(slot(4, "OMPI_COMM_WORLD_RANK=3"))));
        assert_eq!(found(Some(7), &both), Ok(Some(Slot { number: 7, said_by: None })));
        // What nobody asks for may be nonsense.
        assert_eq!(found(Some(7), &[("SLURM_PROCID", "x")]), Ok(Some(Slot { number: 7, said_by: None })));
    }

    #[test]
    fn what_is_no_number_of_a_part_is_refused() {
        for value in ["x", "-1", "1.5", " 1", "1000", "4294967296", "99999999999999999999", "\u{1b}[2J"] {
            let problem = found(None, &[("JOB_COMPLETION_INDEX", value)]).unwrap_err();
            assert!(problem.starts_with("JOB_COMPLETION_INDEX of the environment is `"), "{problem}");
            assert!(problem.contains("from 0 to 999") && problem.contains("--slot K"), "{problem}");
            assert!(!problem.contains('\u{1b}'), "{problem}");
        }
    }
}
