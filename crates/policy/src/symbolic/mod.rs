//! The exact reading of a bucket's configuration: all requests at once.
//!
//! The answer is sound in the sense that every witness is a request which the concrete evaluator
//! allows and which is untrusted by definition: it is replayed before it is returned. It is complete
//! in the sense that "closed" is said only where the search exhausted every untrusted request; where
//! it could not, because something is not understood, not read or beyond the budget, the answer is
//! "undecided".
//!
//! - `text` decides patterns; `value` decides one condition key; `resource` cuts a statement down
//!   to one bucket; `search` puts them together for one permission against all Deny statements.
//! - `caller` and `names` say who is untrusted and what he can have; `untrusted` says it again for
//!   one concrete request.
//! - `variables` takes policy variables out; `layers` sets up policy, ACL and access points; this
//!   file combines them with Block Public Access and Object Ownership.

mod advice;
mod caller;
mod layers;
mod names;
mod resource;
mod search;
mod text;
mod untrusted;
mod value;
mod variables;

use crate::action::{AccessClass, ActionTable};
use crate::bucket::{AccessPoint, Bucket, Enforcement, ObjectOwnership, PublicAccessBlock};
use crate::document::Policy;
use crate::evaluate::{Decision, evaluate};
use crate::observed::{Observed, Unread};
use crate::public::{Access, Answer, Literal, NotConsidered, Reason, Verdict, Via, Why, Witness};

use crate::request::Caller;

use caller::{Callers, Question};
use layers::{AccessPointArns, Arns, FOREIGN, Layer, Reach, denies_of, for_aws_status, statements};
use names::Names;
use search::{Attempt, Found};
use variables::{Instances, Numbered};

/// A setting that may not be known.
enum Setting {
    On,
    Off,
    Unknown(Vec<String>),
}

/// What has been worked out about one mechanism, before Block Public Access.
struct Mechanism {
    read: Reach,
    write: Reach,
    literal_anonymous: [Option<bool>; 2],
    literal_stranger: [Option<bool>; 2],
}

const CLASSES: [AccessClass; 2] = [AccessClass::Read, AccessClass::Write];

pub(crate) fn judge(bucket: &Bucket) -> Verdict {
    let controls: &[Policy] = bucket
        .resource_control_policies
        .present()
        .map_or(&[], Vec::as_slice);
    let points = bucket
        .access_points
        .present()
        .map_or(&[][..], Vec::as_slice);
    let policies = bucket
        .policy
        .present()
        .into_iter()
        .chain(controls)
        .chain(points.iter().filter_map(|point| point.policy.present()));
    let names = Names::new(bucket, policies);
    let judgement = Judgement {
        bucket,
        names: &names,
        arns: Arns::of(bucket),
        controls,
        restrict: setting(bucket, "RestrictPublicBuckets", |b| {
            b.restrict_public_buckets
        }),
        ignore: setting(bucket, "IgnorePublicAcls", |b| b.ignore_public_acls),
    };
    judgement.verdict(points)
}

struct Judgement<'p> {
    bucket: &'p Bucket,
    names: &'p Names,
    arns: Arns,
    controls: &'p [Policy],
    restrict: Setting,
    ignore: Setting,
}

/// A setting over all levels: on if it is on anywhere.
fn setting(bucket: &Bucket, name: &str, part: fn(&PublicAccessBlock) -> bool) -> Setting {
    let levels = &bucket.public_access_block;
    if name == "RestrictPublicBuckets" && bucket.enforcement == Enforcement::CephRgw {
        return Setting::Off;
    }
    let mut unknown = Vec::new();
    for (level, block) in [
        ("bucket", &levels.bucket),
        ("account", &levels.account),
        ("organization", &levels.organization),
    ] {
        match block {
            Observed::Present(block) if part(block) => return Setting::On,
            Observed::Unknown(unread) if *unread != Unread::NotGiven => {
                unknown.push(format!("{name} of the {level} is not known: {unread}"));
            }
            _ => {}
        }
    }
    if unknown.is_empty() {
        Setting::Off
    } else {
        Setting::Unknown(unknown)
    }
}

impl<'p> Judgement<'p> {
    fn verdict(&self, points: &[AccessPoint]) -> Verdict {
        let bucket = self.bucket;
        let mut aws_is_public = match &bucket.policy {
            Observed::Unknown(unread) if *unread != Unread::NotGiven => None,
            _ => Some(false),
        };
        let mut policy = None;
        if let Some(document) = bucket.policy.present() {
            let (allows, denies) = statements(document, self.controls);
            let mechanism = self.policy_mechanism(&allows, &denies);
            aws_is_public = self.aws_status(document, &mechanism, &allows, &denies);
            policy = Some(mechanism);
        }
        let acl = self.acl_mechanism();
        let points = self.access_points(points);
        let read = self.access(AccessClass::Read, policy.as_ref(), acl.as_ref(), &points);
        let write = self.access(AccessClass::Write, policy.as_ref(), acl.as_ref(), &points);
        let literal = self.literal(&read, &write, policy.as_ref(), acl.as_ref(), aws_is_public);
        let mut verdict = Verdict {
            aws_is_public,
            acl_is_public: match &bucket.acl {
                Observed::Present(acl) => Some(
                    acl.grants
                        .iter()
                        .any(|grant| grant.grantee.is_public_group()),
                ),
                Observed::Absent | Observed::Unknown(Unread::NotGiven) => Some(false),
                Observed::Unknown(_) => None,
            },
            literal,
            objects_may_be_public: self.objects_may_be_public(),
            not_considered: not_considered(bucket),
            advisories: Vec::new(),
            read,
            write,
        };
        verdict.advisories = advice::advisories(bucket, &verdict);
        verdict
    }

    fn policy_mechanism(&self, allows: &[Numbered<'p>], denies: &[Numbered<'p>]) -> Mechanism {
        let instances = self.instances(allows.to_vec(), denies.to_vec(), &[]);
        let layer = Layer::of_policy(self.bucket, self.names, &self.arns, &instances);
        let narrow = allows
            .iter()
            .chain(denies)
            .any(|(_, s)| advice::tests_narrow_block(s));
        self.mechanism(&layer, narrow, &|question, callers| {
            // Where only relaxed variables let a request in, its own texts are worth a try.
            let texts = layer.relaxed_texts(question, callers);
            let instances = self.instances(allows.to_vec(), denies.to_vec(), &texts);
            Layer::of_policy(self.bucket, self.names, &self.arns, &instances).ask(question, callers)
        })
    }

    fn instances(
        &self,
        allows: Vec<Numbered<'p>>,
        denies: Vec<Numbered<'p>>,
        texts: &[String],
    ) -> Instances<'p> {
        Instances::new(self.bucket, self.names, allows, denies, texts)
    }

    fn acl_mechanism(&self) -> Option<Mechanism> {
        let acl = self.bucket.acl.present()?;
        if !acl.grants.iter().any(|grant| grant.grantee.is_untrusted()) {
            return Some(Mechanism::closed());
        }
        let denies: Vec<Numbered<'p>> = match self.bucket.policy.present() {
            Some(policy) => statements(policy, self.controls).1,
            None => denies_of(self.controls).collect(),
        };
        let narrow = denies.iter().any(|(_, s)| advice::tests_narrow_block(s));
        let instances = self.instances(Vec::new(), denies, &[]);
        let layer = Layer::of_acl(self.bucket, self.names, &self.arns, acl, &instances);
        Some(self.mechanism(&layer, narrow, &|_, _| Reach::Unsure(Vec::new())))
    }

    /// Asks everything of one layer; `again` is asked where the layer alone is unsure.
    fn mechanism(
        &self,
        layer: &Layer<'_>,
        narrow: bool,
        again: &dyn Fn(Question, Callers) -> Reach,
    ) -> Mechanism {
        let ask = |question, callers| match layer.ask(question, callers) {
            Reach::Unsure(reasons) => match again(question, callers) {
                open @ Reach::Open(_) => open,
                _ => Reach::Unsure(reasons),
            },
            settled => settled,
        };
        let headline = CLASSES.map(|class| ask(Question::Headline(class), Callers::All));
        let stranger = [0, 1].map(|at| match &headline[at] {
            Reach::Closed(_) | Reach::Unsure(_) if narrow => {
                known(&ask(Question::Literal(CLASSES[at]), Callers::All))
            }
            settled => known(settled),
        });
        let anonymous = [0, 1].map(|at| match (stranger[at], &headline[at]) {
            (Some(false), _) => Some(false),
            (_, Reach::Open(found)) if found.request.caller == Caller::Anonymous => Some(true),
            _ => known(&ask(Question::Literal(CLASSES[at]), Callers::Anonymous)),
        });
        let [read, write] = headline;
        Mechanism {
            read,
            write,
            literal_anonymous: anonymous,
            literal_stranger: stranger,
        }
    }

    /// AWS's policy status. What the headline finds open, AWS calls public: its question is the
    /// wider one.
    fn aws_status(
        &self,
        policy: &Policy,
        mechanism: &Mechanism,
        allows: &[Numbered<'p>],
        denies: &[Numbered<'p>],
    ) -> Option<bool> {
        if mechanism.read.is_open() || mechanism.write.is_open() {
            return Some(true);
        }
        // An organization's resource control policies are no part of the bucket policy's status.
        let own = denies
            .iter()
            .filter(|(index, _)| *index != FOREIGN)
            .cloned()
            .collect();
        if policy.statements.is_empty() {
            return Some(false);
        }
        let instances = self.instances(for_aws_status(allows), own, &[]);
        let layer = Layer::of_policy(self.bucket, self.names, &self.arns, &instances);
        match layer.ask(Question::AwsStatus, Callers::All) {
            Reach::Open(_) => Some(true),
            Reach::Closed(_) => Some(false),
            Reach::Unsure(_) => None,
        }
    }

    fn access(
        &self,
        class: AccessClass,
        policy: Option<&Mechanism>,
        acl: Option<&Mechanism>,
        points: &[(String, [Answer; 2])],
    ) -> Access {
        let at = usize::from(class == AccessClass::Write);
        Access {
            policy: self.policy_answer(class, policy),
            acl: self.acl_answer(class, acl),
            access_points: combined(points.iter().map(|(_, answers)| answers[at].clone())),
        }
    }

    fn policy_answer(&self, class: AccessClass, mechanism: Option<&Mechanism>) -> Answer {
        let closed = |why| Answer::Closed(vec![Reason { index: None, why }]);
        let reach = match (&self.bucket.policy, mechanism) {
            (Observed::Present(_), Some(mechanism)) => mechanism.reach(class),
            (Observed::Unknown(unread), _) if *unread != Unread::NotGiven => {
                return match self.restrict {
                    Setting::On => closed(Why::RestrictPublicBuckets),
                    _ => Answer::Undecided(vec![format!("the bucket policy: {unread}")]),
                };
            }
            _ => return closed(Why::NothingGrants),
        };
        match (reach, &self.restrict) {
            (Reach::Closed(attempts), _) => Answer::Closed(self.policy_reasons(attempts)),
            (_, Setting::On) => closed(Why::RestrictPublicBuckets),
            (Reach::Unsure(reasons), _) => Answer::Undecided(reasons.clone()),
            (Reach::Open(found), Setting::Off) => self.witness(class, found, Via::Policy),
            (Reach::Open(_), Setting::Unknown(reasons)) => Answer::Undecided(reasons.clone()),
        }
    }

    fn acl_answer(&self, class: AccessClass, mechanism: Option<&Mechanism>) -> Answer {
        let closed = |why| Answer::Closed(vec![Reason { index: None, why }]);
        let bucket = self.bucket;
        let unknown_acl = match &bucket.acl {
            Observed::Unknown(unread) if *unread != Unread::NotGiven => Some(unread),
            _ => None,
        };
        let reach = match (mechanism, unknown_acl) {
            (Some(mechanism), _) => Some(mechanism.reach(class)),
            (None, Some(_)) => None,
            (None, None) => return closed(Why::NothingGrants),
        };
        if let Some(Reach::Closed(attempts)) = reach {
            return Answer::Closed(self.acl_reasons(attempts));
        }
        if matches!(self.ignore, Setting::On) {
            return closed(Why::IgnorePublicAcls);
        }
        if bucket.ownership.present() == Some(&ObjectOwnership::BucketOwnerEnforced) {
            return closed(Why::BucketOwnerEnforced);
        }
        let mut reasons = Vec::new();
        if let Some(unread) = unknown_acl {
            reasons.push(format!("the bucket's ACL: {unread}"));
        }
        if let Setting::Unknown(unknown) = &self.ignore {
            reasons.extend(unknown.iter().cloned());
        }
        match &bucket.ownership {
            Observed::Unknown(unread) if *unread != Unread::NotGiven => {
                reasons.push(format!("Object Ownership: {unread}"));
            }
            _ => {}
        }
        // A policy that was not read may deny what the ACL grants.
        match &bucket.policy {
            Observed::Unknown(unread) if *unread != Unread::NotGiven && reach.is_some() => {
                reasons.push(format!("a Deny of the bucket policy: {unread}"));
            }
            _ => {}
        }
        match reach {
            Some(Reach::Open(found)) if reasons.is_empty() => self.witness(class, found, Via::Acl),
            Some(Reach::Unsure(doubts)) => {
                reasons.extend(doubts.iter().cloned());
                Answer::Undecided(reasons)
            }
            _ => Answer::Undecided(reasons),
        }
    }

    fn access_points(&self, points: &[AccessPoint]) -> Vec<(String, [Answer; 2])> {
        let mut answers: Vec<(String, [Answer; 2])> = points
            .iter()
            .map(|point| (point.arn.clone(), self.access_point(point)))
            .collect();
        if let Observed::Unknown(unread) = &self.bucket.access_points
            && *unread != Unread::NotGiven
            && let Some(account) = &self.bucket.owner_account
            // It cuts strangers off at access points too, whatever their policies say.
            && !matches!(self.restrict, Setting::On)
        {
            // Any access point of the owner's: as open as the bucket policy lets it be.
            let arn = format!(
                "arn:{}:s3:us-east-1:{account}:accesspoint/unknown",
                self.bucket.partition
            );
            let answer = self.through_access_point(
                &arn,
                None,
                &format!("the bucket's access points: {unread}"),
            );
            answers.push((arn, answer));
        }
        answers
    }

    fn access_point(&self, point: &AccessPoint) -> [Answer; 2] {
        let closed = |why: Why| {
            CLASSES.map(|_| {
                Answer::Closed(vec![Reason {
                    index: None,
                    why: why.clone(),
                }])
            })
        };
        if point.vpc_origin {
            return closed(Why::VpcOrigin);
        }
        if point
            .public_access_block
            .present()
            .is_some_and(|block| block.restrict_public_buckets)
            || matches!(self.restrict, Setting::On)
        {
            return closed(Why::RestrictPublicBuckets);
        }
        match &point.policy {
            Observed::Present(policy) => {
                let unsure = match &point.public_access_block {
                    Observed::Unknown(unread) if *unread != Unread::NotGiven => {
                        format!("the block of {}: {unread}", point.arn)
                    }
                    _ => String::new(),
                };
                self.through_access_point(&point.arn, Some(policy), &unsure)
            }
            Observed::Absent => closed(Why::NothingGrants),
            Observed::Unknown(unread) => self.through_access_point(
                &point.arn,
                None,
                &format!("the policy of {}: {unread}", point.arn),
            ),
        }
    }

    /// Requests through an access point must be let in by its policy and by the bucket's. With a
    /// reason to be unsure, whatever would be open is undecided.
    fn through_access_point(
        &self,
        arn: &str,
        policy: Option<&Policy>,
        unsure: &str,
    ) -> [Answer; 2] {
        let Some(bucket_policy) = self.bucket.policy.present() else {
            let why = Why::NothingGrants;
            return match self.bucket.policy.unread() {
                Some(unread) if *unread != Unread::NotGiven => {
                    CLASSES.map(|_| Answer::Undecided(vec![format!("the bucket policy: {unread}")]))
                }
                _ => CLASSES.map(|_| {
                    Answer::Closed(vec![Reason {
                        index: None,
                        why: why.clone(),
                    }])
                }),
            };
        };
        let (allows, denies) = statements(bucket_policy, self.controls);
        let arns = AccessPointArns::new(arn);
        let instances = Instances::new(self.bucket, self.names, allows, denies, &[]);
        let through = policy.map(|policy| {
            let (allows, denies) = statements(policy, &[]);
            Instances::new(self.bucket, self.names, allows, denies, &[])
        });
        let has_variables = through
            .as_ref()
            .is_some_and(|t| !t.relaxed.is_empty() || t.exact.len() > 1);
        let choice = through
            .as_ref()
            .and_then(|t| t.relaxed.first().or(t.exact.first()));
        let layer = Layer::of_access_point(
            self.bucket,
            self.names,
            &self.arns,
            &arns,
            &instances,
            choice,
        );
        CLASSES.map(
            |class| match layer.ask(Question::Headline(class), Callers::All) {
                Reach::Closed(_) => Answer::Closed(vec![Reason {
                    index: None,
                    why: Why::NamesOnlyTrusted,
                }]),
                Reach::Unsure(reasons) => Answer::Undecided(reasons),
                Reach::Open(_) if has_variables => {
                    Answer::Undecided(vec![format!("policy variables in the policy of {arn}")])
                }
                Reach::Open(_) if !unsure.is_empty() => Answer::Undecided(vec![unsure.to_owned()]),
                Reach::Open(found) => match &self.restrict {
                    Setting::Unknown(reasons) => Answer::Undecided(reasons.clone()),
                    _ => self.witness(class, &found, Via::AccessPoint(arn.to_owned())),
                },
            },
        )
    }

    /// Replays what the search found, and makes it a witness.
    fn witness(&self, class: AccessClass, found: &Found, via: Via) -> Answer {
        let request = &found.request;
        let mut admitted_by = vec![found.permission];
        let policy = self.bucket.policy.present();
        let decision = policy.map(|policy| evaluate(&[policy], request));
        let replays = match (&via, &decision) {
            (Via::Acl, None) => true,
            (Via::Acl, Some(decision)) => !matches!(
                decision,
                Decision::Denied { .. } | Decision::Undecided { .. }
            ),
            (Via::Policy | Via::AccessPoint(_), Some(Decision::Allowed { by })) => {
                if via == Via::Policy {
                    admitted_by = by.iter().map(|r| r.statement).collect();
                }
                true
            }
            _ => false,
        };
        let by_controls = self
            .controls
            .iter()
            .any(|c| matches!(evaluate(&[c], request), Decision::Denied { .. }));
        let widely = match (&via, policy) {
            (Via::Acl, Some(policy)) => !untrusted::is_spared_narrowly(policy, request),
            (_, Some(policy)) => untrusted::is_granted_widely(policy, request),
            (_, None) => true,
        };
        if !replays || by_controls || !widely || !untrusted::is_from_stranger(request, self.names) {
            return Answer::Undecided(vec![format!(
                "internal: the request that was found ({} on {}) does not replay",
                request.action, request.resource
            )]);
        }
        let table = ActionTable::get();
        Answer::Open(Box::new(Witness {
            reaches_data: found.action.is_some_and(|a| table.action(a).reaches_data()),
            from: found.moment.filter(|moment| *moment > self.bucket.as_of),
            request: request.clone(),
            via,
            class,
            admitted_by,
        }))
    }

    /// The literal flags.
    fn literal(
        &self,
        read: &Access,
        write: &Access,
        policy: Option<&Mechanism>,
        acl: Option<&Mechanism>,
        aws_is_public: Option<bool>,
    ) -> Literal {
        let flag = |class: AccessClass, callers: Callers| {
            let at = usize::from(class == AccessClass::Write);
            let of = |mechanism: &Mechanism| match callers {
                Callers::Anonymous => mechanism.literal_anonymous[at],
                Callers::All => mechanism.literal_stranger[at],
            };
            let restricted = match (&self.restrict, aws_is_public) {
                (Setting::Off, _) | (_, Some(false)) => Some(false),
                (Setting::On, Some(true)) => Some(true),
                _ => None,
            };
            let by_policy = match (&self.bucket.policy, policy) {
                (Observed::Unknown(unread), _) if *unread != Unread::NotGiven => None,
                (_, Some(policy)) => and(of(policy), restricted.map(|r| !r)),
                (_, None) => Some(false),
            };
            let access = if class == AccessClass::Read {
                read
            } else {
                write
            };
            let by_acl = match (&access.acl, acl) {
                (Answer::Undecided(_), _) => None,
                (Answer::Closed(reasons), Some(_))
                    if reasons.iter().any(|r| {
                        matches!(r.why, Why::IgnorePublicAcls | Why::BucketOwnerEnforced)
                    }) =>
                {
                    Some(false)
                }
                (_, Some(acl)) => and(of(acl), self.acls_in_force()),
                (_, None) => Some(false),
            };
            let by_point = match &access.access_points {
                Answer::Open(witness) => {
                    Some(callers == Callers::All || witness.request.caller == Caller::Anonymous)
                }
                Answer::Closed(_) => Some(false),
                Answer::Undecided(_) => None,
            };
            or(or(by_policy, by_acl), by_point)
        };
        Literal {
            anonymous_read: flag(AccessClass::Read, Callers::Anonymous),
            anonymous_write: flag(AccessClass::Write, Callers::Anonymous),
            stranger_read: flag(AccessClass::Read, Callers::All),
            stranger_write: flag(AccessClass::Write, Callers::All),
        }
    }

    /// Whether public grants of ACLs have an effect at all.
    fn acls_in_force(&self) -> Option<bool> {
        let enforced = match &self.bucket.ownership {
            Observed::Present(ownership) => {
                Some(*ownership == ObjectOwnership::BucketOwnerEnforced)
            }
            Observed::Absent | Observed::Unknown(Unread::NotGiven) => Some(false),
            Observed::Unknown(_) => None,
        };
        let ignored = match self.ignore {
            Setting::On => Some(true),
            Setting::Off => Some(false),
            Setting::Unknown(_) => None,
        };
        or(enforced, ignored).map(|closed| !closed)
    }

    fn objects_may_be_public(&self) -> Option<bool> {
        self.acls_in_force()
    }

    fn policy_reasons(&self, attempts: &[Attempt]) -> Vec<Reason> {
        let Some(policy) = self.bucket.policy.present() else {
            return Vec::new();
        };
        let allows = policy
            .statements
            .iter()
            .enumerate()
            .filter(|(_, s)| s.effect == crate::document::Effect::Allow);
        let reasons: Vec<Reason> = allows
            .zip(attempts)
            .map(|((index, _), attempt)| Reason {
                index: Some(index),
                why: why(attempt),
            })
            .collect();
        if reasons.is_empty() {
            return vec![Reason {
                index: None,
                why: Why::NothingGrants,
            }];
        }
        reasons
    }

    fn acl_reasons(&self, attempts: &[Attempt]) -> Vec<Reason> {
        let Some(acl) = self.bucket.acl.present() else {
            return Vec::new();
        };
        let mut attempts = attempts.iter();
        let reasons: Vec<Reason> = acl
            .grants
            .iter()
            .enumerate()
            .map(|(index, grant)| {
                let why = if grant.grantee.is_untrusted() {
                    attempts.next().map_or(Why::NothingGrants, why)
                } else {
                    Why::NamesOnlyTrusted
                };
                Reason {
                    index: Some(index),
                    why,
                }
            })
            .collect();
        if reasons.is_empty() {
            return vec![Reason {
                index: None,
                why: Why::NothingGrants,
            }];
        }
        reasons
    }
}

impl Mechanism {
    /// Nothing that an untrusted caller could use.
    fn closed() -> Mechanism {
        Mechanism {
            read: Reach::Closed(Vec::new()),
            write: Reach::Closed(Vec::new()),
            literal_anonymous: [Some(false); 2],
            literal_stranger: [Some(false); 2],
        }
    }

    fn reach(&self, class: AccessClass) -> &Reach {
        match class {
            AccessClass::Read => &self.read,
            AccessClass::Write => &self.write,
        }
    }
}

fn why(attempt: &Attempt) -> Why {
    if !attempt.takes_caller {
        return Why::NamesOnlyTrusted;
    }
    if attempt.only_owner_actions && !attempt.has_action {
        return Why::OwnerOnlyActions;
    }
    if !attempt.has_action {
        return Why::NoActionOfThisClass;
    }
    if !attempt.fits_resource {
        return Why::ResourceDoesNotFit;
    }
    if !attempt.denied_by.is_empty() {
        let own = attempt
            .denied_by
            .iter()
            .copied()
            .filter(|index| *index != FOREIGN);
        let own: Vec<usize> = own.collect();
        return if own.is_empty() {
            Why::ResourceControlPolicy
        } else {
            Why::Denied(own)
        };
    }
    if attempt.narrow {
        return Why::NarrowSourceAddress;
    }
    match attempt
        .unsatisfied
        .as_ref()
        .and_then(|conditions| conditions.first())
    {
        Some(condition) => Why::ConditionUnsatisfiable(*condition),
        None => Why::ConditionsExcludeEachOther,
    }
}

/// The answer of several doors: one open door is enough.
fn combined(answers: impl Iterator<Item = Answer>) -> Answer {
    let mut closed = Vec::new();
    let mut undecided = Vec::new();
    for answer in answers {
        match answer {
            open @ Answer::Open(_) => return open,
            Answer::Closed(reasons) => closed.extend(reasons),
            Answer::Undecided(reasons) => undecided.extend(reasons),
        }
    }
    if undecided.is_empty() {
        Answer::Closed(closed)
    } else {
        Answer::Undecided(undecided)
    }
}

fn known(reach: &Reach) -> Option<bool> {
    match reach {
        Reach::Open(_) => Some(true),
        Reach::Closed(_) => Some(false),
        Reach::Unsure(_) => None,
    }
}

fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

fn not_considered(bucket: &Bucket) -> Vec<NotConsidered> {
    fn lacks<T>(part: &Observed<T>) -> bool {
        matches!(part, Observed::Unknown(Unread::NotGiven))
    }
    let block = &bucket.public_access_block;
    let mut layers = vec![NotConsidered::ObjectAcls];
    for (missing, layer) in [
        (lacks(&bucket.policy), NotConsidered::BucketPolicy),
        (lacks(&bucket.acl), NotConsidered::BucketAcl),
        (lacks(&block.bucket), NotConsidered::BucketPublicAccessBlock),
        (
            lacks(&block.account),
            NotConsidered::AccountPublicAccessBlock,
        ),
        (
            lacks(&block.organization),
            NotConsidered::OrganizationPublicAccessBlock,
        ),
        (lacks(&bucket.ownership), NotConsidered::ObjectOwnership),
        (lacks(&bucket.access_points), NotConsidered::AccessPoints),
        (
            bucket.resource_control_policies.is_unknown(),
            NotConsidered::ResourceControlPolicies,
        ),
    ] {
        if missing {
            layers.push(layer);
        }
    }
    layers.sort_unstable();
    layers
}
