//! Files and standard input as buckets to judge.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use clap::{Args, ValueEnum};
use compliance::input::{self, AssumedBlock, InputBucket, Options, Problem};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::exit::Failure;

/// How input files are read.
#[derive(Clone, Debug, Args)]
pub(crate) struct InputArgs {
    /// What to take for the account's Block Public Access where the input does not say it
    #[arg(long, value_enum, value_name = "STATE")]
    assume_account_bpa: Option<Assumed>,
    /// The moment that verdicts are about, such as 2026-01-31 or 2026-01-31T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    as_of: Option<Timestamp>,
    /// The account that owns the buckets, where the input does not name it
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    owner_account: Option<String>,
    /// The partition of the buckets, where the input does not show it
    #[arg(long, value_name = "PARTITION", value_parser = ["aws", "aws-cn", "aws-us-gov"])]
    partition: Option<String>,
    /// How many bytes an input may have, decompressed
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    max_size: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Assumed {
    /// All four settings are on.
    On,
    /// There is none.
    Off,
    /// Not known: what depends on it is undecided.
    Unknown,
}

/// Everything that the inputs held.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// The buckets of all files.
    pub(crate) buckets: Vec<InputBucket>,
    /// What was wrong.
    pub(crate) problems: Vec<Problem>,
    /// Whether a whole file could not be read.
    pub(crate) broken: bool,
}

impl InputArgs {
    fn options(&self, now: Timestamp) -> Options {
        Options {
            as_of: self.as_of,
            owner_account: self.owner_account.clone(),
            partition: self.partition.clone(),
            account_block: match self.assume_account_bpa {
                None => AssumedBlock::NotSaid,
                Some(Assumed::On) => AssumedBlock::On,
                Some(Assumed::Off) => AssumedBlock::Off,
                Some(Assumed::Unknown) => AssumedBlock::Unknown,
            },
            max_size: self.max_size,
            ..Options::at(now)
        }
    }

    /// Reads files, `-` being standard input; without any, standard input. What is wrong with one
    /// never stops the others.
    pub(crate) fn read(&self, files: &[String], now: Timestamp) -> Result<Inputs, Failure> {
        if files.is_empty() && io::stdin().is_terminal() {
            return Err(
                Failure::usage("no input: name a FILE, or pipe one in").hint(
                    "for example: aws s3api get-bucket-policy --bucket NAME | portcullis check",
                ),
            );
        }
        let options = self.options(now);
        let standard_input = ["-".to_owned()];
        let files = if files.is_empty() {
            &standard_input[..]
        } else {
            files
        };
        let mut inputs = Inputs::default();
        for file in files {
            let read = bytes(file, options.max_size)
                .map_err(|message| Problem::of_file(file, message))
                .and_then(|bytes| input::read(&bytes, file, &options));
            match read {
                Ok(reading) => {
                    inputs.buckets.extend(reading.buckets);
                    inputs.problems.extend(reading.problems);
                }
                Err(problem) => {
                    inputs.broken = true;
                    inputs.problems.push(problem);
                }
            }
        }
        Ok(inputs)
    }
}

/// The bytes of a file; reads no more than `limit`, so that an endless pipe ends.
fn bytes(file: &str, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = if file == "-" {
        io::stdin()
            .lock()
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
    } else {
        if Path::new(file).is_dir() {
            return Err("is a directory; name the files in it".to_owned());
        }
        File::open(file).and_then(|open| open.take(limit.saturating_add(1)).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) if bytes.len() as u64 > limit => Err(format!(
            "larger than {limit} bytes; raise --max-size if you trust it"
        )),
        Ok(_) => Ok(bytes),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Err("no such file".to_owned()),
        Err(why) => Err(format!("cannot be read: {why}")),
    }
}

/// A time, or a date from its beginning on.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    text.parse::<Date>()
        .ok()
        .filter(|_| text.len() == 10)
        .and_then(|_| format!("{text}T00:00:00Z").parse().ok())
        .ok_or_else(|| "give a date like 2026-01-31 or a time like 2026-01-31T12:00:00Z".to_owned())
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("an account is twelve digits".to_owned())
    }
}
