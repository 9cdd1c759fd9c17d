//! What would close a bucket: a plan that can be read, refused, applied and taken back.
//!
//! [`plan`] is pure. It changes as little as closes what is open with a witness, judges the bucket as
//! it would be afterwards, and says what it leaves. Nothing here writes.

pub mod diff;
mod statement;

use policy::bucket::{Acl, Bucket, Enforcement, Grant, Grantee, Permission, PublicAccessBlock};
use policy::document::Policy;
use policy::observed::Observed;
use policy::public::{Answer, Verdict, Witness, judge};

/// What the plan may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemediationOptions {
    /// To a public ACL.
    pub acl: AclRemedy,
    /// To a public policy.
    pub policy: PolicyRemedy,
    /// To public objects under ACLs of their own.
    pub objects: ObjectsRemedy,
}

/// What to do to a public ACL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AclRemedy {
    /// Remove exactly the grants to strangers. Log delivery, other accounts and the owner stay.
    #[default]
    Strip,
    /// Overwrite it with `private`: the owner's full control and nothing else.
    Private,
}

/// What to do to a public policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicyRemedy {
    /// Say which statement lets whom in, and leave it.
    #[default]
    Notify,
    /// The bucket's own Block Public Access: RestrictPublicBuckets and BlockPublicPolicy.
    Block,
    /// Remove the Allow statements that let strangers in.
    RemoveStatement,
}

/// What to do about public objects in a bucket that is closed itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectsRemedy {
    /// Say it.
    #[default]
    Report,
    /// The bucket's own IgnorePublicAcls.
    IgnorePublicAcls,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Replace the ACL.
    PutAcl(Acl),
    /// Replace the bucket's own Block Public Access.
    PutBlock(PublicAccessBlock),
    /// Replace the policy with this text.
    PutPolicy(String),
    /// Remove the policy: no statement would be left.
    DeletePolicy,
}

/// A plan for one bucket.
#[derive(Clone, Debug)]
pub struct RemediationPlan {
    /// The bucket as it was when the plan was made.
    pub before: Bucket,
    /// The bucket as it would be.
    pub after: Bucket,
    /// The writes, in order. Empty: there is nothing that the options allow to do.
    pub steps: Vec<Step>,
    /// The verdict on [`RemediationPlan::after`].
    pub expected: Verdict,
    /// What the reader of the plan must know.
    pub notes: Vec<Note>,
}

/// Something to know about a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The policy lets this request in, and the options leave the policy as it is.
    PolicyLeft {
        /// The Allow statements that let it in, by index.
        statements: Vec<usize>,
        /// The request.
        witness: Box<Witness>,
    },
    /// RestrictPublicBuckets would be stored here and not enforced: it would close nothing.
    BlockIneffective,
    /// This access point lets strangers in; only its owner can change its policy.
    AccessPointLeft {
        /// Its ARN.
        arn: String,
    },
    /// The ACL cannot be set to `private`, since its owner is not known.
    OwnerUnknown,
    /// The statement could not be cut out of the policy's text.
    StatementNotRemovable {
        /// Why.
        why: String,
    },
    /// No statement would be left, so the policy is removed.
    PolicyRemoved,
    /// Objects may be public by ACLs of their own.
    ObjectsMayBePublic,
    /// The bucket's own block could not be read, so it is not overwritten.
    BlockUnknown {
        /// Why.
        why: String,
    },
    /// Something is undecided; no plan can be made for it.
    Undecided {
        /// Why.
        reasons: Vec<String>,
    },
}

impl RemediationPlan {
    /// Whether nothing would be open with a witness any more.
    pub fn closes(&self) -> bool {
        !self.expected.read.is_open() && !self.expected.write.is_open()
    }
}

/// Makes the plan for a bucket and its verdict.
pub fn plan(bucket: &Bucket, verdict: &Verdict, options: &RemediationOptions) -> RemediationPlan {
    let mut after = bucket.clone();
    let mut notes = Vec::new();
    let mut steps = Vec::new();
    let answers = [&verdict.read, &verdict.write];

    if answers.iter().any(|access| access.acl.witness().is_some())
        && let Observed::Present(acl) = &bucket.acl
    {
        match closed_acl(acl, options.acl) {
            Some(closed) => {
                steps.push(Step::PutAcl(closed.clone()));
                after.acl = Observed::Present(closed);
            }
            None => notes.push(Note::OwnerUnknown),
        }
    }

    let mut block = own_block(bucket);
    if let Some(witness) = answers.iter().find_map(|access| access.policy.witness()) {
        match options.policy {
            PolicyRemedy::Notify => notes.push(Note::PolicyLeft {
                statements: witness.admitted_by.clone(),
                witness: Box::new(witness.clone()),
            }),
            PolicyRemedy::Block if bucket.enforcement == Enforcement::CephRgw => {
                notes.push(Note::BlockIneffective);
                notes.push(Note::PolicyLeft {
                    statements: witness.admitted_by.clone(),
                    witness: Box::new(witness.clone()),
                });
            }
            PolicyRemedy::Block => {
                block.restrict_public_buckets = true;
                block.block_public_policy = true;
            }
            PolicyRemedy::RemoveStatement => {
                remove_statements(&mut after, &mut steps, &mut notes);
            }
        }
    }
    if verdict.objects_may_be_public == Some(true) {
        match options.objects {
            ObjectsRemedy::IgnorePublicAcls => block.ignore_public_acls = true,
            ObjectsRemedy::Report => notes.push(Note::ObjectsMayBePublic),
        }
    }
    if block != own_block(bucket)
        && let Observed::Unknown(unread) = &bucket.public_access_block.bucket
    {
        notes.push(Note::BlockUnknown {
            why: unread.to_string(),
        });
    } else if block != own_block(bucket) {
        steps.push(Step::PutBlock(block));
        after.public_access_block.bucket = Observed::Present(block);
    }

    let expected = judge(&after);
    for access in [&expected.read, &expected.write] {
        if let Some(arn) = access_point(access.access_points.witness()) {
            let note = Note::AccessPointLeft { arn };
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        let mut reasons: Vec<String> = [&access.policy, &access.acl, &access.access_points]
            .into_iter()
            .filter_map(|answer| match answer {
                Answer::Undecided(reasons) => Some(reasons.clone()),
                Answer::Open(_) | Answer::Closed(_) => None,
            })
            .flatten()
            .collect();
        reasons.dedup();
        let note = Note::Undecided { reasons };
        if access.is_undecided() && !notes.contains(&note) {
            notes.push(note);
        }
    }
    RemediationPlan {
        before: bucket.clone(),
        after,
        steps,
        expected,
        notes,
    }
}

/// The bucket's own block; one that is not there is four times off.
fn own_block(bucket: &Bucket) -> PublicAccessBlock {
    bucket
        .public_access_block
        .bucket
        .present()
        .copied()
        .unwrap_or_default()
}

/// The ACL without what lets strangers in; `None` if that cannot be written down.
fn closed_acl(acl: &Acl, remedy: AclRemedy) -> Option<Acl> {
    match remedy {
        AclRemedy::Strip => Some(Acl {
            owner: acl.owner.clone(),
            grants: acl
                .grants
                .iter()
                .filter(|grant| !grant.grantee.is_untrusted())
                .cloned()
                .collect(),
        }),
        AclRemedy::Private => {
            let owner = acl.owner.clone()?;
            Some(Acl {
                grants: vec![Grant {
                    grantee: Grantee::CanonicalUser(owner.clone()),
                    permission: Permission::FullControl,
                }],
                owner: Some(owner),
            })
        }
    }
}

/// Removes Allow statements, those that the witness names first, until the policy is closed.
///
/// Each round removes at least one statement, so there are at most as many rounds as statements. A
/// witness can need only one of the statements that admit it removed and another one later; removing
/// all that admit it is right, since each of them alone lets that same request in.
fn remove_statements(after: &mut Bucket, steps: &mut Vec<Step>, notes: &mut Vec<Note>) {
    let Observed::Present(original) = after.policy.clone() else {
        return;
    };
    let whole = original.statements.len();
    let mut left = Some(original);
    loop {
        let verdict = judge(after);
        let admitted = [&verdict.read, &verdict.write]
            .into_iter()
            .find_map(|access| access.policy.witness())
            .map(|witness| witness.admitted_by.clone());
        let (Some(admitted), Some(policy)) = (admitted, &left) else {
            break;
        };
        match without(policy, &admitted) {
            Ok(Some(smaller)) => {
                after.policy = Observed::Present(smaller.clone());
                left = Some(smaller);
            }
            Ok(None) => {
                after.policy = Observed::Absent;
                left = None;
            }
            Err(why) => {
                notes.push(Note::StatementNotRemovable { why });
                break;
            }
        }
    }
    match (&left, after.policy.present()) {
        (None, _) => {
            notes.push(Note::PolicyRemoved);
            steps.push(Step::DeletePolicy);
        }
        (Some(policy), Some(_)) if policy.statements.len() < whole => {
            steps.push(Step::PutPolicy(policy.text.clone()));
        }
        (Some(_), _) => {}
    }
}

/// The policy without these statements; `None` if no statement is left.
fn without(policy: &Policy, statements: &[usize]) -> Result<Option<Policy>, String> {
    let spans: Vec<_> = statements
        .iter()
        .filter_map(|index| policy.statements.get(*index))
        .map(|statement| statement.span.clone())
        .collect();
    if spans.is_empty() {
        return Err("the witness names no statement of it".to_owned());
    }
    if spans.len() == policy.statements.len() {
        return Ok(None);
    }
    let text = statement::cut(&policy.text, &spans)?;
    let smaller = Policy::parse(&text).map_err(|error| error.to_string())?;
    // The cut is made in the text, so that the rest stays as its author wrote it. That it removed
    // these statements and nothing else is checked.
    if smaller.statements.len() + spans.len() != policy.statements.len() {
        return Err("its text does not fall apart into statements".to_owned());
    }
    Ok(Some(smaller))
}

fn access_point(witness: Option<&Witness>) -> Option<String> {
    match &witness?.via {
        policy::public::Via::AccessPoint(arn) => Some(arn.clone()),
        policy::public::Via::Policy | policy::public::Via::Acl => None,
    }
}
