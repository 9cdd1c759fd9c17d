//! Configurations at hand, as buckets to judge.
//!
//! [`read`] takes the bytes of one file and recognises by content what it is:
//!
//! | content | documented |
//! |---|---|
//! | an IAM policy, bare or as the AWS CLI prints it | IAM user guide, "JSON policy elements" |
//! | a bucket document, or a list of them | `docs/check.md` |
//! | an AWS Config item, snapshot or history | AWS Config developer guide, "Example configuration history / snapshot" |
//! | a CloudFormation template, JSON or YAML | CloudFormation user guide, "Template anatomy" |
//! | a Terraform plan or state in JSON | Terraform, "JSON output format" |
//!
//! Each may be compressed with gzip. What is wrong with one bucket never stops the others: a part
//! that cannot be understood becomes [`Observed::Unknown`], and a [`Problem`] says so.

mod bucket_document;
mod cloudformation;
mod config;
mod gzip;
mod json;
mod layers;
mod members;
pub(crate) mod node;
mod policy_document;
mod terraform;
mod yaml;

use std::fmt;

use jiff::Timestamp;
use policy::bucket::{Acl, BlockLevels, Bucket, Enforcement, PublicAccessBlock};
use policy::observed::{Observed, Unread};

use crate::assessment::{Assessment, Source};

use self::json::{Outline, Place, Syntax};
use self::node::Node;

/// How inputs are read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The moment that verdicts are about where neither the document nor `as_of` says another.
    pub now: Timestamp,
    /// The moment that verdicts are about, whatever a document says.
    pub as_of: Option<Timestamp>,
    /// The owning account where a document does not name it.
    pub owner_account: Option<String>,
    /// The partition where a document does not show it: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: Option<String>,
    /// The account's Block Public Access where a document does not say it.
    pub account_block: AssumedBlock,
    /// How many bytes a compressed file may become.
    pub max_size: u64,
}

/// What to take for the account's Block Public Access where the input does not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssumedBlock {
    /// Nothing was said: taken as absent, and listed as not considered.
    #[default]
    NotSaid,
    /// All four settings are on.
    On,
    /// There is none.
    Off,
    /// Either; what depends on it is undecided.
    Unknown,
}

impl Options {
    /// Default options for verdicts about `now`.
    pub fn at(now: Timestamp) -> Options {
        Options {
            now,
            as_of: None,
            owner_account: None,
            partition: None,
            account_block: AssumedBlock::NotSaid,
            max_size: 1 << 30,
        }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An IAM policy alone.
    Policy,
    /// One or more bucket documents.
    BucketDocument,
    /// Configuration items of AWS Config.
    ConfigurationItems,
    /// A CloudFormation template.
    CloudFormation,
    /// A Terraform plan or state.
    Terraform,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Policy => "policy",
            Kind::BucketDocument => "bucket document",
            Kind::ConfigurationItems => "AWS Config items",
            Kind::CloudFormation => "CloudFormation template",
            Kind::Terraform => "Terraform plan",
        })
    }
}

/// What a file held.
#[derive(Debug)]
pub struct Reading {
    /// What the file is.
    pub kind: Kind,
    /// Its buckets, in the order of the file.
    pub buckets: Vec<InputBucket>,
    /// What was wrong with some of them.
    pub problems: Vec<Problem>,
}

/// One bucket of a file.
#[derive(Clone, Debug)]
pub struct InputBucket {
    /// Its configuration.
    pub bucket: Bucket,
    /// Its region, if the file tells it.
    pub region: Option<String>,
    /// The document's own id, if it has one.
    pub id: Option<String>,
    /// Where it stands.
    pub source: Source,
}

impl InputBucket {
    /// Judges it.
    pub fn assess(self) -> Assessment {
        let verdict = policy::public::judge(&self.bucket);
        Assessment {
            bucket: self.bucket,
            verdict,
            region: self.region,
            id: self.id,
            source: Some(self.source),
            exception: None,
        }
    }
}

/// Something that could not be read or understood, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as the user named it.
    pub file: String,
    /// Line from 1, if it has a place.
    pub line: Option<usize>,
    /// Column from 1.
    pub column: Option<usize>,
    /// The bucket that it is about; `None` if it is about the whole file.
    pub bucket: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

impl Problem {
    /// A problem with a whole file.
    pub fn of_file(file: &str, message: impl Into<String>) -> Problem {
        Problem {
            file: file.to_owned(),
            line: None,
            column: None,
            bucket: None,
            message: message.into(),
            hint: None,
        }
    }

    /// The same problem with advice.
    #[must_use]
    pub fn hint(mut self, hint: &'static str) -> Problem {
        self.hint = Some(hint);
        self
    }

    fn syntax(file: &str, wrong: Syntax) -> Problem {
        Problem {
            line: Some(wrong.line),
            column: Some(wrong.column),
            ..Problem::of_file(file, wrong.message)
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line.filter(|line| *line > 0) {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        f.write_str(": ")?;
        if let Some(bucket) = &self.bucket {
            write!(f, "bucket {bucket}: ")?;
        }
        f.write_str(&self.message)
    }
}

const WHAT_IS_READ: &str = "check reads IAM policies, bucket documents, AWS Config items, snapshots \
     and history, CloudFormation templates and `terraform show -json` output";

/// A JSON text as a tree; `None` if it is not JSON.
pub(crate) fn parse_json(text: &str) -> Option<Node> {
    json::parse(text).ok()
}

/// The bucket of one configuration item, which is given as a tree.
pub(crate) fn recorded_bucket(item: &Node, name: &str, options: &Options) -> Bucket {
    let reader = Reader {
        text: "",
        file: "",
        options,
    };
    config::recorded_bucket(&reader, name, item, &mut Vec::new()).bucket
}

/// An ACL in AWS Config's shape, which is given as JSON.
pub(crate) fn recorded_acl(acl: &serde_json::Value) -> Observed<Acl> {
    members::acl(&Node::from(acl)).observed
}

/// Reads one file. `Err` means that nothing of it could be read.
pub fn read(bytes: &[u8], file: &str, options: &Options) -> Result<Reading, Problem> {
    if gzip::is_gzip(bytes) {
        let plain = gzip::decompress(bytes, options.max_size)
            .map_err(|message| Problem::of_file(file, message))?;
        return read_plain(&plain, file, options);
    }
    read_plain(bytes, file, options)
}

fn read_plain(bytes: &[u8], file: &str, options: &Options) -> Result<Reading, Problem> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::of_file(file, "the file is empty").hint(WHAT_IS_READ));
    }
    let text = std::str::from_utf8(bytes).map_err(|wrong| {
        Problem::of_file(
            file,
            format!("not a text in UTF-8 (byte {})", wrong.valid_up_to()),
        )
        .hint(WHAT_IS_READ)
    })?;
    if text.contains('\0') {
        return Err(Problem::of_file(file, "a binary file").hint(WHAT_IS_READ));
    }
    let reader = Reader {
        text,
        file,
        options,
    };
    match text.trim_start().as_bytes().first() {
        Some(b'{' | b'[') => reader.json(),
        Some(b'"') => reader.json_in_a_string(),
        _ => reader.yaml(),
    }
}

/// One file being read.
pub(crate) struct Reader<'a> {
    pub(crate) text: &'a str,
    pub(crate) file: &'a str,
    pub(crate) options: &'a Options,
}

impl Reader<'_> {
    fn json(&self) -> Result<Reading, Problem> {
        let syntax = |wrong| Problem::syntax(self.file, wrong);
        match json::outline(self.text).map_err(syntax)? {
            Outline::Object(members) => {
                let items = members
                    .iter()
                    .find(|(name, _)| name == "configurationItems");
                if let Some((_, place)) = items {
                    let items = json::elements_at(self.text, place).map_err(syntax)?;
                    return Ok(config::read(self, &items));
                }
                let node = json::parse(self.text).map_err(syntax)?;
                self.object(&node)
            }
            Outline::Array(places) => self.list(&places),
            Outline::Scalar => Err(self.not_recognised()),
        }
    }

    /// A policy that somebody copied as a text: `"{\"Version\": …}"`.
    fn json_in_a_string(&self) -> Result<Reading, Problem> {
        let node = json::parse(self.text).map_err(|wrong| Problem::syntax(self.file, wrong))?;
        match node.as_str() {
            Some(inner) if inner.trim_start().starts_with(['{', '[']) => Reader {
                text: inner,
                file: self.file,
                options: self.options,
            }
            .json(),
            _ => Err(self.not_recognised()),
        }
    }

    fn yaml(&self) -> Result<Reading, Problem> {
        let node = yaml::parse(self.text).map_err(|wrong| Problem::syntax(self.file, wrong))?;
        if !node.is_mapping() {
            return Err(self.not_recognised());
        }
        // The tree of a YAML text has no bytes in it that would be JSON.
        Reader { text: "", ..*self }.object(&node)
    }

    fn object(&self, node: &Node) -> Result<Reading, Problem> {
        if cloudformation::is_template(node) {
            Ok(cloudformation::read(self, node))
        } else if terraform::is_plan(node) {
            Ok(terraform::read(self, node))
        } else if config::is_item(node) {
            Ok(config::read_one(self, node))
        } else if bucket_document::is_bucket(node) {
            Ok(bucket_document::read_one(self, node))
        } else if policy_document::is_policy(node) {
            Ok(policy_document::read(self, node))
        } else {
            Err(self.not_recognised())
        }
    }

    /// A list of bucket documents or of configuration items; each element is read on its own.
    fn list(&self, places: &[Place]) -> Result<Reading, Problem> {
        let syntax = |wrong| Problem::syntax(self.file, wrong);
        let Some(first) = places.first() else {
            return Ok(Reading {
                kind: Kind::BucketDocument,
                buckets: Vec::new(),
                problems: Vec::new(),
            });
        };
        let first = json::parse_at(self.text, first).map_err(syntax)?;
        if config::is_item(&first) {
            return Ok(config::read(self, places));
        }
        Ok(bucket_document::read_list(self, places))
    }

    fn not_recognised(&self) -> Problem {
        Problem::of_file(self.file, "not a document that check reads").hint(WHAT_IS_READ)
    }

    /// A bucket of which nothing is known yet but its name. What the input does not have stays
    /// [`Unread::NotGiven`]: taken as absent, and listed as not considered.
    pub(crate) fn bucket(&self, name: &str, node: &Node) -> InputBucket {
        InputBucket {
            bucket: Bucket {
                name: name.to_owned(),
                partition: self.partition(None),
                owner_account: self.options.owner_account.clone(),
                as_of: self.options.as_of.unwrap_or(self.options.now),
                policy: Observed::Unknown(Unread::NotGiven),
                acl: Observed::Unknown(Unread::NotGiven),
                public_access_block: BlockLevels {
                    bucket: Observed::Unknown(Unread::NotGiven),
                    account: match self.options.account_block {
                        AssumedBlock::NotSaid => Observed::Unknown(Unread::NotGiven),
                        AssumedBlock::On => Observed::Present(PublicAccessBlock::ALL),
                        AssumedBlock::Off => Observed::Absent,
                        AssumedBlock::Unknown => Observed::Unknown(Unread::SaidUnknown),
                    },
                    organization: Observed::Unknown(Unread::NotGiven),
                },
                ownership: Observed::Unknown(Unread::NotGiven),
                access_points: Observed::Unknown(Unread::NotGiven),
                resource_control_policies: Observed::Unknown(Unread::NotGiven),
                enforcement: Enforcement::Aws,
            },
            region: None,
            id: None,
            source: Source {
                file: self.file.to_owned(),
                line: (node.line > 0).then_some(node.line),
                path: None,
                policy_line: None,
            },
        }
    }

    /// The partition: as the options say, else as a region shows it, else `aws`.
    pub(crate) fn partition(&self, region: Option<&str>) -> String {
        if let Some(partition) = &self.options.partition {
            return partition.clone();
        }
        match region {
            Some(region) if region.starts_with("cn-") => "aws-cn",
            Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
        .to_owned()
    }

    pub(crate) fn problem(&self, bucket: &str, message: String, line: usize) -> Problem {
        Problem {
            line: (line > 0).then_some(line),
            bucket: Some(bucket.to_owned()),
            ..Problem::of_file(self.file, message)
        }
    }
}

impl<'a> Clone for Reader<'a> {
    fn clone(&self) -> Reader<'a> {
        *self
    }
}

impl Copy for Reader<'_> {}
