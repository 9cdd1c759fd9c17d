//! Checks of `[[rule]]`.

use compliance::rules::BUILT_IN;
use compliance::rules::configured::Wrong;

use super::{Problem, at};
use crate::config::Config;
use crate::config::problem::nearest;
use crate::config::rule::rules;

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    if let Err(error) = rules(config) {
        // The last of this name is the one that stands twice.
        let index = config.rule.iter().rposition(|rule| rule.name == error.rule);
        let member = match &error.wrong {
            Wrong::Name { .. } | Wrong::NameTwice => Some("name"),
            Wrong::Identifier { .. } => Some("identifier"),
            Wrong::Parameter { .. } | Wrong::ParameterValue { .. } | Wrong::Parameters { .. } => {
                Some("parameters")
            }
            Wrong::ResourceType { .. } | Wrong::NotAbout { .. } => Some("resource-types"),
            Wrong::NoSchedule { .. } => Some("frequency"),
            Wrong::Lambda => Some("lambda"),
            _ => None,
        };
        let mut path = at!["rule", index.unwrap_or(0)];
        path.0.extend(member.map(Into::into));
        let near = match &error.wrong {
            Wrong::Identifier { identifier, known } => nearest(identifier, known.iter().copied()),
            Wrong::Parameter { name, known, .. } => nearest(name, known.iter().copied()),
            _ => None,
        };
        let mut problem = Problem::error(path, error.wrong.to_string());
        problem.hint = near.map(|near| format!("did you mean `{near}`?"));
        problems.push(problem);
    }
    for (index, rule) in config.rule.iter().enumerate() {
        let public = BUILT_IN
            .iter()
            .any(|own| rule.identifier.as_deref() == Some(own.about().identifier));
        if public && !rule.enabled {
            problems.push(Problem::warning(
                at!["rule", index, "enabled"],
                "buckets that are open in this way are neither told of nor closed",
            ));
        }
    }
}
