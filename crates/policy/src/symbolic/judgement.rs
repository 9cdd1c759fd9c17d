//! Policy, ACL and access points put together with Block Public Access and Object Ownership.

use crate::action::{AccessClass, ActionTable};
use crate::bucket::{AccessPoint, Acl, Bucket, Enforcement, ObjectOwnership, PublicAccessBlock};
use crate::document::Policy;
use crate::evaluate::{Decision, evaluate};
use crate::observed::{Observed, Unread};
use crate::public::{Access, Answer, ObjectAccess, Reason, Verdict, Via, Why, Witness};
use crate::request::Caller;

use super::access_points::combined;
use super::advice;
use super::caller::{Callers, Question};
use super::layers::{Arns, FOREIGN, Layer, Reach, denies_of, for_aws_status, statements};
use super::literal::{known, or};
use super::names::Names;
use super::reasons::{not_considered, of_acl, of_policy};
use super::search::Found;
use super::untrusted;
use super::variables::{Instances, Numbered};

/// A setting that may not be known.
pub(super) enum Setting {
    On,
    Off,
    Unknown(Vec<String>),
}

/// What has been worked out about one mechanism, before Block Public Access.
pub(super) struct Mechanism {
    pub(super) read: Reach,
    pub(super) write: Reach,
    pub(super) literal_anonymous: [Option<bool>; 2],
    pub(super) literal_stranger: [Option<bool>; 2],
}

pub(super) const CLASSES: [AccessClass; 2] = [AccessClass::Read, AccessClass::Write];

pub(crate) fn judge(bucket: &Bucket) -> Verdict {
    let points = bucket
        .access_points
        .present()
        .map_or(&[][..], Vec::as_slice);
    let names = Names::new(bucket, policies(bucket));
    Judgement::new(bucket, &names).verdict(points)
}

pub(crate) fn judge_object(bucket: &Bucket, key: &str, acl: &Observed<Acl>) -> ObjectAccess {
    let names = Names::new(bucket, policies(bucket));
    let judgement = Judgement::new(bucket, &names);
    let own = OwnAcl {
        acl,
        key: Some(key),
    };
    let mechanism = judgement.acl_mechanism(own);
    let [read, write] = CLASSES.map(|class| judgement.acl_answer(class, own, mechanism.as_ref()));
    ObjectAccess { read, write }
}

/// Every policy that has a say about a bucket.
fn policies(bucket: &Bucket) -> impl Iterator<Item = &Policy> {
    let controls = bucket.resource_control_policies.present();
    let points = bucket.access_points.present();
    let of_points = points.into_iter().flatten();
    bucket
        .policy
        .present()
        .into_iter()
        .chain(controls.into_iter().flatten())
        .chain(of_points.filter_map(|point| point.policy.present()))
}

/// The ACL of the bucket, or of the object with this key.
#[derive(Clone, Copy)]
struct OwnAcl<'p> {
    acl: &'p Observed<Acl>,
    key: Option<&'p str>,
}

impl OwnAcl<'_> {
    fn whose(self) -> &'static str {
        match self.key {
            None => "the bucket's ACL",
            Some(_) => "the object's ACL",
        }
    }
}

pub(super) struct Judgement<'p> {
    pub(super) bucket: &'p Bucket,
    pub(super) names: &'p Names,
    pub(super) arns: Arns,
    pub(super) controls: &'p [Policy],
    pub(super) restrict: Setting,
    pub(super) ignore: Setting,
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
    fn new(bucket: &'p Bucket, names: &'p Names) -> Judgement<'p> {
        let controls = bucket.resource_control_policies.present();
        Judgement {
            bucket,
            names,
            arns: Arns::of(bucket),
            controls: controls.map_or(&[], Vec::as_slice),
            restrict: setting(bucket, "RestrictPublicBuckets", |b| {
                b.restrict_public_buckets
            }),
            ignore: setting(bucket, "IgnorePublicAcls", |b| b.ignore_public_acls),
        }
    }

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
        let acl = self.acl_mechanism(self.own_acl());
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

    fn own_acl(&self) -> OwnAcl<'p> {
        OwnAcl {
            acl: &self.bucket.acl,
            key: None,
        }
    }

    fn acl_mechanism(&self, own: OwnAcl<'p>) -> Option<Mechanism> {
        let acl = own.acl.present()?;
        if !acl.grants.iter().any(|grant| grant.grantee.is_untrusted()) {
            return Some(Mechanism::closed());
        }
        let denies: Vec<Numbered<'p>> = match self.bucket.policy.present() {
            Some(policy) => statements(policy, self.controls).1,
            None => denies_of(self.controls).collect(),
        };
        let narrow = denies.iter().any(|(_, s)| advice::tests_narrow_block(s));
        let instances = self.instances(Vec::new(), denies, &[]);
        let of = (acl, own.key);
        let layer = Layer::of_acl(self.bucket, self.names, &self.arns, of, &instances);
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
            acl: self.acl_answer(class, self.own_acl(), acl),
            access_points: combined(points.iter().map(|(_, answers)| answers[at].clone())),
        }
    }

    fn policy_answer(&self, class: AccessClass, mechanism: Option<&Mechanism>) -> Answer {
        let closed = |why| Answer::Closed(vec![Reason { index: None, why }]);
        let (document, reach) = match (&self.bucket.policy, mechanism) {
            (Observed::Present(document), Some(mechanism)) => (document, mechanism.reach(class)),
            (Observed::Unknown(unread), _) if *unread != Unread::NotGiven => {
                return match self.restrict {
                    Setting::On => closed(Why::RestrictPublicBuckets),
                    _ => Answer::Undecided(vec![format!("the bucket policy: {unread}")]),
                };
            }
            _ => return closed(Why::NothingGrants),
        };
        match (reach, &self.restrict) {
            (Reach::Closed(attempts), _) => Answer::Closed(of_policy(document, attempts)),
            (_, Setting::On) => closed(Why::RestrictPublicBuckets),
            (Reach::Unsure(reasons), _) => Answer::Undecided(reasons.clone()),
            (Reach::Open(found), Setting::Off) => self.witness(class, found, Via::Policy),
            (Reach::Open(_), Setting::Unknown(reasons)) => Answer::Undecided(reasons.clone()),
        }
    }

    fn acl_answer(
        &self,
        class: AccessClass,
        own: OwnAcl<'p>,
        mechanism: Option<&Mechanism>,
    ) -> Answer {
        let closed = |why| Answer::Closed(vec![Reason { index: None, why }]);
        let bucket = self.bucket;
        let unknown_acl = match own.acl {
            Observed::Unknown(unread) if *unread != Unread::NotGiven => Some(unread),
            _ => None,
        };
        let reach = match (mechanism, unknown_acl) {
            (Some(mechanism), _) => Some(mechanism.reach(class)),
            (None, Some(_)) => None,
            (None, None) => return closed(Why::NothingGrants),
        };
        if let Some(Reach::Closed(attempts)) = reach {
            return Answer::Closed(of_acl(own.acl.present(), attempts));
        }
        if matches!(self.ignore, Setting::On) {
            return closed(Why::IgnorePublicAcls);
        }
        if bucket.ownership.present() == Some(&ObjectOwnership::BucketOwnerEnforced) {
            return closed(Why::BucketOwnerEnforced);
        }
        let mut reasons = Vec::new();
        if let Some(unread) = unknown_acl {
            reasons.push(format!("{}: {unread}", own.whose()));
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

    /// Replays what the search found, and makes it a witness.
    pub(super) fn witness(&self, class: AccessClass, found: &Found, via: Via) -> Answer {
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

    /// Whether public grants of ACLs have an effect at all.
    pub(super) fn acls_in_force(&self) -> Option<bool> {
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
