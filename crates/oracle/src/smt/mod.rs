//! The question as a formula: is there one untrusted request that the policy allows?
//!
//! The encoding ranges over every request at once: strings with regular expressions for names and
//! headers, bit vectors for addresses, integers for times and counts, booleans for presence. It is
//! written from the definition and from our own [`Document`], not from the engine or the parser, and
//! shares neither code nor tables with them except the list of actions.
//!
//! Sound and complete for texts of printable ASCII. What it cannot express (a variable beside several
//! wildcards, a variable under an operator that ignores case) and what Z3 gives up on is
//! [`Answer::Unknown`].

mod callers;
mod conditions;
mod text;

use std::collections::BTreeMap;

use policy::action::{AccessClass, ActionTable, ResourceType};
use z3::{Params, SatResult, Solver};

use self::callers::{Kind, World};
use self::text::{Truth, glob};
use crate::generate::{BUCKET, Document, Statement, Who};

/// Which existence question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// The headline: some untrusted request of a class.
    Public(AccessClass),
    /// Some unsigned request of a class, narrow source addresses counted.
    Anonymous(AccessClass),
    /// Some untrusted request of a class, narrow source addresses counted.
    Stranger(AccessClass),
    /// AWS's policy status.
    AwsIsPublic,
}

impl Question {
    /// Every question.
    pub const ALL: [Question; 7] = [
        Question::Public(AccessClass::Read),
        Question::Public(AccessClass::Write),
        Question::Anonymous(AccessClass::Read),
        Question::Anonymous(AccessClass::Write),
        Question::Stranger(AccessClass::Read),
        Question::Stranger(AccessClass::Write),
        Question::AwsIsPublic,
    ];

    fn class(self) -> Option<AccessClass> {
        match self {
            Question::Public(class) | Question::Anonymous(class) | Question::Stranger(class) => {
                Some(class)
            }
            Question::AwsIsPublic => None,
        }
    }

    /// Whether narrow source addresses make a caller trusted.
    fn trusts_narrow_addresses(self) -> bool {
        matches!(self, Question::Public(_) | Question::AwsIsPublic)
    }

    fn is_aws(self) -> bool {
        self == Question::AwsIsPublic
    }
}

/// What the solver says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Such a request exists; who sends it, and its action.
    Yes(String),
    /// No such request exists.
    No,
    /// The encoding or the solver cannot tell.
    Unknown,
}

/// Answers every question about a document. Each solver call gets at most `milliseconds`
/// (Z3's own resource limit does not stop every search of its string theory).
///
/// What follows from another answer by definition is not asked again: whoever is public or unsigned
/// is a stranger, and without narrow blocks every stranger is public.
pub fn answers(document: &Document, milliseconds: u32) -> BTreeMap<Question, Answer> {
    let ask = |question| answer(document, question, milliseconds);
    let mut answers = BTreeMap::new();
    for class in [AccessClass::Read, AccessClass::Write] {
        let anonymous = ask(Question::Anonymous(class));
        let stranger = match &anonymous {
            yes @ Answer::Yes(_) => yes.clone(),
            _ => ask(Question::Stranger(class)),
        };
        let public = if stranger == Answer::No || !document.has_narrow_blocks() {
            stranger.clone()
        } else {
            ask(Question::Public(class))
        };
        answers.insert(Question::Anonymous(class), anonymous);
        answers.insert(Question::Stranger(class), stranger);
        answers.insert(Question::Public(class), public);
    }
    answers.insert(Question::AwsIsPublic, ask(Question::AwsIsPublic));
    answers
}

/// Answers a question about a document. Each solver call gets at most `milliseconds`
/// (Z3's own resource limit does not stop every search of its string theory).
pub fn answer(document: &Document, question: Question, milliseconds: u32) -> Answer {
    // Whether the solver fails on a document hardly depends on the action: do not try them all.
    let mut unknown = 0;
    for kind in Kind::told_apart(document) {
        if matches!(question, Question::Anonymous(_)) && kind != Kind::Anonymous {
            continue;
        }
        for action in actions(document, question) {
            match satisfiable(document, question, kind, &action, milliseconds) {
                Some(true) => return Answer::Yes(format!("{kind:?} {}", action.name)),
                Some(false) => {}
                None => unknown += 1,
            }
            if unknown == 2 {
                return Answer::Unknown;
            }
        }
    }
    if unknown > 0 {
        Answer::Unknown
    } else {
        Answer::No
    }
}

/// An action in lower case, what it acts on, and the keys that accompany it.
pub(crate) struct AskedAction {
    name: String,
    resource: ResourceType,
    /// `None`: every key.
    keys: Option<Vec<String>>,
}

impl AskedAction {
    /// Whether a condition key, in lower case, accompanies the action.
    pub(crate) fn has(&self, key: &str) -> bool {
        let Some(keys) = &self.keys else { return true };
        !key.starts_with("s3:")
            || key.starts_with("s3:dataaccesspoint")
            || key == "s3:resourceaccount"
            || keys
                .iter()
                .any(|k| k == key || k.ends_with('/') && key.starts_with(k.as_str()))
    }
}

/// One action of each sort that the document can tell apart.
fn actions(document: &Document, question: Question) -> Vec<AskedAction> {
    let table = ActionTable::get();
    let mentioned = document.keys();
    let mut sorts: BTreeMap<(Vec<bool>, bool, Vec<bool>), AskedAction> = BTreeMap::new();
    for (_, action) in table.iter() {
        if question
            .class()
            .is_some_and(|class| class != action.class())
            || action.owner_only && !question.is_aws()
        {
            continue;
        }
        let asked = AskedAction {
            name: action.name.to_lowercase(),
            resource: action.resource,
            keys: (!question.is_aws()).then(|| action.keys.clone()),
        };
        let sort = (
            document
                .statements
                .iter()
                .map(|s| covers_action(s, &asked.name))
                .collect(),
            action.resource == ResourceType::Bucket,
            mentioned.iter().map(|key| asked.has(key)).collect(),
        );
        sorts.entry(sort).or_insert(asked);
    }
    let mut asked: Vec<AskedAction> = sorts.into_values().collect();
    if question.is_aws() {
        // Names that are no action count: one for each pattern that takes no action at all.
        for pattern in document.statements.iter().flat_map(|s| &s.actions) {
            let name = pattern.to_lowercase().replace(['*', '?'], "x");
            let takes_none = !table
                .iter()
                .any(|(_, action)| glob(&pattern.to_lowercase(), &action.name.to_lowercase()));
            if takes_none {
                asked.extend(
                    [ResourceType::Bucket, ResourceType::Object].map(|resource| AskedAction {
                        name: name.clone(),
                        resource,
                        keys: None,
                    }),
                );
            }
        }
    }
    asked
}

fn covers_action(statement: &Statement, action: &str) -> bool {
    statement.not_action
        != statement
            .actions
            .iter()
            .any(|pattern| glob(&pattern.to_lowercase(), action))
}

fn covers_caller(statement: &Statement) -> bool {
    // Every name in a generated document belongs to somebody trusted, whom no stranger is.
    match &statement.who {
        Who::Everyone | Who::AllBut(_) => true,
        Who::Named(names) => names.get("AWS").is_some_and(|name| name == "*"),
    }
}

/// Whether some request of this kind of caller with this action is what the question asks for.
fn satisfiable(
    document: &Document,
    question: Question,
    kind: Kind,
    action: &AskedAction,
    milliseconds: u32,
) -> Option<bool> {
    let candidate = |s: &&Statement| covers_caller(s) && covers_action(s, &action.name);
    let (allows, denies): (Vec<&Statement>, Vec<&Statement>) = document
        .statements
        .iter()
        .filter(candidate)
        .partition(|s| s.allow);
    if allows.is_empty() {
        return Some(false);
    }
    let mut world = World::new(document, kind, action, question.is_aws());
    let mut granted = Truth::Known(false);
    for statement in allows {
        let mut admits = world.applies(statement)?;
        if question.trusts_narrow_addresses() {
            admits = admits.and(world.held_narrowly(statement, "IpAddress").not());
        }
        granted = granted.or(admits);
    }
    let mut request = granted;
    for statement in denies {
        request = request.and(world.applies(statement)?.not());
        if question.trusts_narrow_addresses() {
            request = request.and(world.spared_narrowly(statement)?.not());
        }
    }
    let request = match request {
        Truth::Known(false) => return Some(false),
        Truth::Known(true) => None,
        Truth::Open(formula) => Some(formula),
    };
    let solver = Solver::new();
    let mut params = Params::new();
    params.set_u32("timeout", milliseconds);
    solver.set_params(&params);
    for constraint in world.constraints() {
        solver.assert(constraint);
    }
    if let Some(formula) = request {
        solver.assert(&formula);
    }

    match solver.check() {
        SatResult::Sat => Some(true),
        SatResult::Unsat => Some(false),
        SatResult::Unknown => None,
    }
}

/// The ARN of the bucket.
fn bucket_arn() -> String {
    format!("arn:aws:s3:::{BUCKET}")
}
