//! The configured rules, as the loops ask them.

use compliance::assessment::Assessment;
use compliance::item::ConfigurationItem;
use compliance::rules::configured::RuleSet;
use compliance::rules::{RuleEvaluation, Subject};
use jiff::Timestamp;

use crate::watch::EvaluateRules;

impl EvaluateRules for RuleSet {
    /// Every rule about the resource's type, those on a schedule included: what a look does not hear
    /// again is taken for gone.
    fn on_change(
        &self,
        item: &ConfigurationItem,
        assessment: Option<&Assessment>,
        now: Timestamp,
    ) -> Vec<RuleEvaluation> {
        self.evaluate(&Subject {
            item,
            assessment,
            previous: None,
            now,
        })
    }
}
