//! What a notice shows of a bucket: the ways in, a request that gets in, and what lets it in.

use policy::public::{Via, Witness};

use super::{Access, Mechanism, Notice, WayIn};
use crate::assessment::Assessment;
use crate::item::ConfigurationItem;
use crate::item::object_acls::{KnownObject, ObjectAcls};
use crate::report::describe;
use crate::report::request::to_try;
use crate::report::request_json;
use crate::report::statement;

/// How many objects a notice names: enough to act on.
const OBJECTS_SHOWN: usize = 20;

impl Notice {
    /// The notice with everything that a judged bucket shows: ways in, witness, statement, policy,
    /// public grants. `only` limits it to what is open through one mechanism, for a finding about that
    /// one; the policy is there when the policy is among them.
    ///
    /// `endpoint` is the address of an S3-compatible store, for the command to try.
    #[must_use]
    pub fn with_evidence(
        mut self,
        assessment: &Assessment,
        only: Option<Mechanism>,
        endpoint: Option<&str>,
    ) -> Notice {
        let bucket = &assessment.bucket;
        let mut witnesses: Vec<&Witness> = Vec::new();
        self.mechanisms.clear();
        for (access, answers) in [
            (Access::Read, &assessment.verdict.read),
            (Access::Write, &assessment.verdict.write),
        ] {
            for mechanism in describe::Mechanism::ALL {
                let via = match mechanism {
                    describe::Mechanism::Acl => Mechanism::Acl,
                    describe::Mechanism::Policy => Mechanism::Policy,
                    describe::Mechanism::AccessPoint => Mechanism::AccessPoint,
                };
                if only.is_some_and(|only| only != via) {
                    continue;
                }
                if let Some(witness) = mechanism.answer(answers).witness() {
                    self.mechanisms.push(WayIn { via, access });
                    witnesses.push(witness);
                }
            }
        }
        let first = witnesses.first();
        self.witness = first.map(|witness| request_json(witness));
        self.attempt = first
            .and_then(|witness| to_try(bucket, assessment.region.as_deref(), endpoint, witness))
            .map(|attempt| attempt.command);

        let indexes = |wanted: fn(&Via) -> bool| {
            let mut indexes: Vec<usize> = witnesses
                .iter()
                .filter(|witness| wanted(&witness.via))
                .flat_map(|witness| witness.admitted_by.iter().copied())
                .collect();
            indexes.sort_unstable();
            indexes.dedup();
            indexes
        };
        let policy = bucket.policy.present();
        let statements: Vec<String> = indexes(|via| *via == Via::Policy)
            .into_iter()
            .filter_map(|at| Some(statement::written(policy?, at, None)?.text))
            .collect();
        self.statement = (!statements.is_empty()).then(|| statements.join("\n"));
        let by_policy = self
            .mechanisms
            .iter()
            .any(|way| way.via == Mechanism::Policy);
        self.policy = policy
            .filter(|_| by_policy)
            .map(|policy| policy.text.to_string());
        self.grants = indexes(|via| *via == Via::Acl)
            .into_iter()
            .map(|at| describe::grant(bucket, at))
            .collect();
        self
    }

    /// The notice with the objects that are public by ACLs of their own: the ways in, a request that gets
    /// in, and the objects with what is granted on them, one a line.
    #[must_use]
    pub fn with_objects(
        mut self,
        item: &ConfigurationItem,
        assessment: &Assessment,
        ways: Vec<WayIn>,
        endpoint: Option<&str>,
    ) -> Notice {
        let bucket = &assessment.bucket;
        let objects = ObjectAcls::of_item(item).judge(bucket);
        let witness = objects.iter().find_map(KnownObject::witness);
        self.mechanisms = ways;
        self.attempt = witness
            .and_then(|witness| to_try(bucket, assessment.region.as_deref(), endpoint, witness))
            .map(|attempt| attempt.command);
        self.grants = objects
            .iter()
            .take(OBJECTS_SHOWN)
            .map(KnownObject::to_string)
            .collect();
        if let Some(rest @ 1..) = objects.len().checked_sub(OBJECTS_SHOWN) {
            self.grants.push(format!("and {rest} more"));
        }
        self
    }
}
