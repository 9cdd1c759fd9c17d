//! The configuration file and what it refers to, read from this machine.

use std::env;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use compliance::exceptions::{ExceptionEntry, Exceptions};
use compliance::report::visible;

use super::place::at;
use super::problem::{Level, Problem};
use super::{Config, SecretRef, read, settings};
use crate::exit::Failure;

/// Where the configuration is looked for.
pub(crate) const DEFAULT_PATH: &str = "/etc/portcullis/portcullis.toml";
/// The largest configuration or exceptions file that is read.
const LARGEST: u64 = 4 << 20;
/// The largest secret.
const LARGEST_SECRET: u64 = 64 << 10;

/// Which configuration file.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigFileArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_CONFIG", default_value = DEFAULT_PATH)]
    pub(crate) config: PathBuf,
}

/// A configuration that is in order, and what it refers to.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The file.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) config: Config,
    /// The exceptions, those of the exceptions file included.
    pub(crate) exceptions: Exceptions,
    /// What is risky.
    pub(crate) warnings: Vec<Problem>,
}

/// Reads a configuration file. Everything that is wrong with it is said on standard error.
pub(crate) fn load(path: &Path) -> Result<Loaded, Failure> {
    let name = path.display().to_string();
    let text = read_text(path).map_err(|why| {
        Failure::usage(format!("{}: {why}", visible(&name))).hint(
            "name the configuration with --config FILE or PORTCULLIS_CONFIG; \
             `portcullis config example` prints one to begin with",
        )
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut exceptions = Exceptions::default();
    let found = read(&text, |config| {
        let mut problems = guard_rules(config, folder);
        match further_exceptions(config, folder) {
            Ok(further) => exceptions = further,
            Err(problem) => problems.extend(problem),
        }
        problems
    });
    let Some(config) = found.config else {
        for problem in &found.problems {
            eprintln!("{}", problem.render(&name));
        }
        let errors = found.problems.iter().filter(|p| p.level == Level::Error);
        let count = errors.count();
        let plural = if count == 1 { "error" } else { "errors" };
        return Err(Failure::usage(format!(
            "{}: {count} {plural}, nothing was done",
            visible(&name)
        )));
    };
    Ok(Loaded {
        path: path.to_owned(),
        config: rooted(config, folder),
        exceptions,
        warnings: found.problems,
    })
}

/// Paths in the file are relative to its folder.
fn rooted(mut config: Config, folder: &Path) -> Config {
    if let Some(path) = &mut config.store.path {
        *path = folder.join(&*path);
    }
    let mut paths: Vec<&mut PathBuf> = Vec::new();
    if let Some(mail) = &mut config.mail {
        paths.extend(mail.ca_file.as_mut());
    }
    if let Some(intake) = &mut config.intake {
        paths.extend(intake.tls_certificate.as_mut());
        paths.extend(intake.tls_key.as_mut());
    }
    paths.extend(config.exceptions_file.as_mut());
    for path in paths {
        *path = folder.join(&*path);
    }
    for source in &mut config.source {
        if let Some(socket) = &mut source.socket {
            *socket = folder.join(&*socket);
        }
    }
    config
}

/// Puts the texts of Guard rules from their files into the configuration.
fn guard_rules(config: &mut Config, folder: &Path) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, rule) in config.rule.iter_mut().enumerate() {
        let Some(file) = &rule.guard_file else {
            continue;
        };
        let path = folder.join(file);
        match read_text(&path) {
            Ok(text) => rule.guard = Some(text),
            Err(why) => problems.push(Problem::error(
                at!["rule", index, "guard-file"],
                format!("{}: {why}", path.display()),
            )),
        }
    }
    problems
}

/// All exceptions. `Err(None)`: what is wrong stands in the configuration itself, where it is told
/// with its place.
fn further_exceptions(config: &Config, folder: &Path) -> Result<Exceptions, Option<Problem>> {
    let further = match &config.exceptions_file {
        None => Vec::new(),
        Some(path) => {
            let path = folder.join(path);
            let wrong = |why: String| {
                let text = format!("{}: {why}", path.display());
                Some(Problem::error(at!["exceptions-file"], text))
            };
            let text = read_text(&path).map_err(wrong)?;
            ExceptionEntry::parse(&text).map_err(|error| wrong(error.to_string()))?
        }
    };
    let given = !further.is_empty();
    settings::exceptions(config, further)
        .map_err(|error| given.then(|| Problem::error(at!["exceptions-file"], error.to_string())))
}

/// Reads a text of the size of a configuration file.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let bytes = bounded(path, LARGEST)?;
    String::from_utf8(bytes).map_err(|_| "is not text in UTF-8".to_owned())
}

fn bounded(path: &Path, largest: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        _ => format!("cannot be read: {error}"),
    })?;
    file.take(largest + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > largest {
        return Err(format!("is larger than {largest} bytes"));
    }
    Ok(bytes)
}

impl Loaded {
    /// Reads a secret.
    pub(crate) fn secret(&self, reference: &SecretRef) -> Result<String, String> {
        secret_under(self.folder(), reference)
    }

    /// What paths in the file are relative to.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Says what is risky, on standard error.
    pub(crate) fn warn(&self) {
        for warning in &self.warnings {
            eprintln!("{}", warning.render(&self.path.display().to_string()));
        }
    }
}

/// Reads a secret of a configuration file in this folder.
pub(crate) fn secret_under(folder: &Path, reference: &SecretRef) -> Result<String, String> {
    match reference.under(folder) {
        SecretRef::Env(name) => match env::var(&name) {
            Ok(value) if !value.is_empty() => Ok(value),
            _ => Err(format!(
                "the environment variable {name} is not set, or is empty"
            )),
        },
        SecretRef::File(path) => {
            let wrong = |why| format!("the secret in {}: {why}", path.display());
            let bytes = bounded(&path, LARGEST_SECRET).map_err(wrong)?;
            let text = String::from_utf8(bytes).map_err(|_| wrong("is not text".to_owned()))?;
            let text = text.trim_end_matches(['\n', '\r']);
            if text.is_empty() {
                return Err(wrong("is empty".to_owned()));
            }
            Ok(text.to_owned())
        }
    }
}
