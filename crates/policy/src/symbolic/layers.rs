//! The layers of one bucket as statements and grants over which a question can be asked.

use std::borrow::Cow;

use crate::action::ActionTable;
use crate::bucket::{ANONYMOUS_CANONICAL_ID, AUTHENTICATED_USERS, Acl, Bucket, Grant, Grantee};
use crate::document::{Effect, Policy};

use super::caller::{Callers, Question};
use super::doubts::{Bound, Doubts};
use super::glob::Glob;
use super::names::Names;
use super::resource::{KeySet, ResourceSet};
use super::search::{Attempt, Found};
use super::space::{Grantees, Part, Permission, Space};
use super::variables::{Chosen, Instance, Instances, Numbered, without_variable_conditions};

/// What a search over one layer came to.
#[derive(Clone, Debug)]
pub(crate) enum Reach {
    Open(Box<Found>),
    Closed(Vec<Attempt>),
    Unsure(Vec<String>),
}

impl Reach {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Reach::Open(_))
    }
}

/// One layer, ready to be asked: the spaces of its instances.
pub(crate) struct Layer<'p> {
    exact: Vec<Space<'p>>,
    relaxed: Vec<Space<'p>>,
    incomplete: bool,
}

/// The Allow statements of a policy and the Deny statements of all policies, numbered.
pub(crate) fn statements<'p>(
    policy: &'p Policy,
    others: &'p [Policy],
) -> (Vec<Numbered<'p>>, Vec<Numbered<'p>>) {
    let mut allows = Vec::new();
    let mut denies = Vec::new();
    for (index, statement) in policy.statements.iter().enumerate() {
        match statement.effect {
            Effect::Allow => allows.push((index, Cow::Borrowed(statement))),
            Effect::Deny => denies.push((index, Cow::Borrowed(statement))),
        }
    }
    denies.extend(denies_of(others));
    (allows, denies)
}

/// The Deny statements of further policies, numbered behind those of any policy.
pub(crate) fn denies_of(others: &[Policy]) -> impl Iterator<Item = Numbered<'_>> {
    others
        .iter()
        .flat_map(|policy| &policy.statements)
        .filter(|statement| statement.effect == Effect::Deny)
        .map(|statement| (FOREIGN, Cow::Borrowed(statement)))
}

/// The number of a Deny statement that is not the bucket policy's.
pub(crate) const FOREIGN: usize = usize::MAX;

impl<'p> Layer<'p> {
    /// The layer of a bucket policy.
    pub(crate) fn of_policy(
        bucket: &'p Bucket,
        names: &'p Names,
        arns: &Arns,
        instances: &'p Instances<'p>,
    ) -> Layer<'p> {
        let space = |instance: &'p Instance<'p>| {
            let mut space = Space::new(bucket, names, instance.fixed.clone());
            for (index, statement) in &instance.allows {
                let part = space.part(statement, &arns.bucket, &arns.objects);
                space.permissions.push(Permission {
                    index: *index,
                    parts: vec![part],
                });
            }
            add_denies(&mut space, instance, arns);
            space
        };
        Layer::new(instances, space)
    }

    /// The layer of an ACL, the bucket's or that of the object with this key: its untrusted grants
    /// against the policies' Deny statements.
    pub(crate) fn of_acl(
        bucket: &'p Bucket,
        names: &'p Names,
        arns: &Arns,
        (acl, key): (&'p Acl, Option<&str>),
        instances: &'p Instances<'p>,
    ) -> Layer<'p> {
        let space = |instance: &'p Instance<'p>| {
            let mut space = Space::new(bucket, names, instance.fixed.clone());
            for (index, grant) in acl.grants.iter().enumerate() {
                if let Some(part) = part_of_grant(grant, key) {
                    space.permissions.push(Permission {
                        index,
                        parts: vec![part],
                    });
                }
            }
            add_denies(&mut space, instance, arns);
            space
        };
        Layer::new(instances, space)
    }

    /// The layer of an access point: a request must be let in by its policy (anything, if `None`)
    /// and by the bucket's.
    pub(crate) fn of_access_point(
        bucket: &'p Bucket,
        names: &'p Names,
        arns: &Arns,
        point: &'p AccessPointArns,
        instances: &'p Instances<'p>,
        point_instances: Option<&'p Instance<'p>>,
    ) -> Layer<'p> {
        let space = |instance: &'p Instance<'p>| {
            let mut fixed = instance.fixed.clone();
            fixed.push((
                "s3:dataaccesspointarn".to_owned(),
                Chosen::Given(point.arn.clone()),
            ));
            let origin = Chosen::Given("Internet".to_owned());
            fixed.push(("s3:accesspointnetworkorigin".to_owned(), origin));
            let mut space = Space::new(bucket, names, fixed);
            for (_, own) in &instance.allows {
                let own = space.part(own, &arns.bucket, &arns.objects);
                let Some(through) = point_instances else {
                    space.permissions.push(Permission {
                        index: 0,
                        parts: vec![own],
                    });
                    continue;
                };
                for (index, statement) in &through.allows {
                    let part = space.part(statement, &point.arn, &point.objects);
                    space.permissions.push(Permission {
                        index: *index,
                        parts: vec![part, own.clone()],
                    });
                }
            }
            add_denies(&mut space, instance, arns);
            for (_, statement) in point_instances.iter().flat_map(|through| &through.denies) {
                let part = space.part(statement, &point.arn, &point.objects);
                space.denies.push((FOREIGN, part));
            }
            space
        };
        Layer::new(instances, space)
    }

    fn new(instances: &'p Instances<'p>, space: impl Fn(&'p Instance<'p>) -> Space<'p>) -> Self {
        Layer {
            exact: instances.exact.iter().map(&space).collect(),
            relaxed: instances.relaxed.iter().map(&space).collect(),
            incomplete: instances.incomplete,
        }
    }

    /// Asks a question: a request that is really let in, a proof that there is none, or neither.
    pub(crate) fn ask(&self, question: Question, callers: Callers) -> Reach {
        let mut doubts = Doubts::default();
        let mut attempts = Vec::new();
        for space in &self.exact {
            let found = space.find(question, callers, Bound::Lower, &mut doubts, &mut attempts);
            if let Some(found) = found {
                return Reach::Open(Box::new(found));
            }
        }
        let upper = if self.relaxed.is_empty() {
            if doubts.is_empty() && !self.incomplete {
                return Reach::Closed(attempts);
            }
            &self.exact
        } else {
            doubts.add("policy variables tie keys together in a way that was not resolved");
            &self.relaxed
        };
        if self.incomplete {
            doubts.add("there are too many policy variables for the budget of the analysis");
        }
        for space in upper {
            let found = space.find(question, callers, Bound::Upper, &mut doubts, &mut attempts);
            if found.is_some() {
                return Reach::Unsure(doubts.into_reasons());
            }
        }
        Reach::Closed(attempts)
    }

    /// The texts of a request that the relaxed statements let in, as values to try.
    pub(crate) fn relaxed_texts(&self, question: Question, callers: Callers) -> Vec<String> {
        let mut texts = Vec::new();
        for space in &self.relaxed {
            let (mut doubts, mut attempts) = (Doubts::default(), Vec::new());
            let found = space.find(question, callers, Bound::Upper, &mut doubts, &mut attempts);
            if let Some(found) = found {
                let key = found
                    .request
                    .resource
                    .split_once('/')
                    .map_or("", |(_, key)| key);
                texts.extend(
                    key.split('/')
                        .filter(|part| !part.is_empty())
                        .map(str::to_owned),
                );
                for (_, values) in found.request.context.iter() {
                    for value in values {
                        texts.push(value.clone());
                        texts.extend(value.split(['/', ':']).map(str::to_owned));
                    }
                }
            }
        }
        texts.sort_unstable();
        texts.dedup();
        texts
    }
}

fn add_denies<'p>(space: &mut Space<'p>, instance: &'p Instance<'p>, arns: &Arns) {
    for (index, statement) in &instance.denies {
        let part = space.part(statement, &arns.bucket, &arns.objects);
        space.denies.push((*index, part));
    }
}

/// The statements as AWS's policy status reads them.
pub(crate) fn for_aws_status<'p>(allows: &[Numbered<'p>]) -> Vec<Numbered<'p>> {
    allows
        .iter()
        .map(|(index, statement)| {
            let read = match statement {
                Cow::Borrowed(statement) => without_variable_conditions(statement),
                Cow::Owned(statement) => {
                    Cow::Owned(without_variable_conditions(statement).into_owned())
                }
            };
            (*index, read)
        })
        .collect()
}

/// A bucket's ARN and what the ARNs of its objects begin with.
pub(crate) struct Arns {
    bucket: String,
    objects: String,
}

impl Arns {
    pub(crate) fn of(bucket: &Bucket) -> Arns {
        let arn = ["arn:", &bucket.partition, ":s3:::", &bucket.name].concat();
        Arns {
            objects: format!("{arn}/"),
            bucket: arn,
        }
    }
}

/// An access point's ARN and what the ARNs of objects behind it begin with.
#[derive(Debug)]
pub(crate) struct AccessPointArns {
    pub(crate) arn: String,
    pub(crate) objects: String,
}

impl AccessPointArns {
    pub(crate) fn new(arn: &str) -> AccessPointArns {
        AccessPointArns {
            arn: arn.to_owned(),
            objects: format!("{arn}/object/"),
        }
    }
}

fn part_of_grant(grant: &Grant, key: Option<&str>) -> Option<Part<'static>> {
    let who = match &grant.grantee {
        Grantee::Group(uri) if uri == AUTHENTICATED_USERS => Grantees::SignedOnly,
        Grantee::Group(_) if grant.grantee.is_public_group() => Grantees::Everyone,
        Grantee::CanonicalUser(id) if id == ANONYMOUS_CANONICAL_ID => Grantees::AnonymousOnly,
        _ => return None,
    };
    let table = ActionTable::get();
    let (actions, resources) = match key {
        None => (
            table.granted_by_bucket_acl(grant.permission),
            ResourceSet {
                bucket: true,
                keys: KeySet::All,
            },
        ),
        Some(key) => (
            table.granted_by_object_acl(grant.permission),
            ResourceSet {
                bucket: false,
                keys: KeySet::Matching([Glob::exactly(key)].into()),
            },
        ),
    };
    Some(Part {
        who,
        actions,
        clause: None,
        resources,
        tests: Vec::new(),
        understood: true,
    })
}
