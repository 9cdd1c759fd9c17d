//! Access points: a second door in front of the bucket, whose policy must let a request in besides the
//! bucket's (Amazon S3 user guide, "Configuring IAM policies for using access points").

use crate::bucket::AccessPoint;
use crate::document::Policy;
use crate::observed::{Observed, Unread};
use crate::public::{Answer, Reason, Via, Why};

use super::caller::{Callers, Question};
use super::judgement::{CLASSES, Judgement, Setting};
use super::layers::{AccessPointArns, Layer, Reach, statements};
use super::variables::Instances;

impl Judgement<'_> {
    pub(super) fn access_points(&self, points: &[AccessPoint]) -> Vec<(String, [Answer; 2])> {
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
}

/// The answer of several doors: one open door is enough.
pub(super) fn combined(answers: impl Iterator<Item = Answer>) -> Answer {
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
