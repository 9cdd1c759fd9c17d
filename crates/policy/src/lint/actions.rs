//! Actions that no request to a bucket has, or that fit none of the statement's resources.

use super::{Linter, element};
use crate::action::ActionTable;
use crate::document::{Severity, Statement};
use crate::json::Shown;
use crate::pattern::Pattern;
use crate::spelling::did_you_mean;

pub(super) fn lint(linter: &mut Linter<'_>, statement: &Statement) {
    let element = element(statement, "Action", statement.action.negated);
    for (index, pattern) in statement.action.patterns.iter().enumerate() {
        if linter.is_full() {
            return;
        }
        let path = linter.entry(&element, index);
        let fits = !ActionTable::get().matching(pattern).is_empty();
        if !fits {
            no_action(linter, pattern, path);
        } else if !statement.action.negated && !statement.resource.negated {
            without_resource(linter, statement, pattern, path);
        }
    }
}

fn no_action(linter: &mut Linter<'_>, pattern: &Pattern, path: String) {
    let table = ActionTable::get();
    let written = pattern.text();
    let shown = Shown(written);
    let lower = written.to_lowercase();
    let Some((service, _)) = lower.split_once(':') else {
        let help = did_you_mean(
            &format!("s3:{written}"),
            table.iter().map(|(_, a)| a.name.as_str()),
        );
        linter.say(
            Severity::Error,
            "invalid-action",
            path,
            format!("`{shown}` has no service in front: it is no action"),
            help.map(|name| format!("did you mean `{name}`?")),
        );
        return;
    };
    if service != "s3" && !service.contains(['*', '?']) {
        linter.say(
            Severity::Warning,
            "action-of-other-service",
            path,
            format!(
                "`{shown}` is an action of another service: requests to a bucket never have it"
            ),
            "remove it, or move it to a policy of that service".to_owned(),
        );
    } else if let Some(name) = table.other_action(written) {
        linter.say(
            Severity::Warning,
            "action-not-on-buckets",
            path,
            format!("`{name}` acts neither on a bucket nor on an object: a bucket policy cannot grant or refuse it"),
            "remove it, or move it to an identity policy".to_owned(),
        );
    } else {
        let help = did_you_mean(written, table.iter().map(|(_, a)| a.name.as_str()));
        linter.say(
            Severity::Warning,
            "unsupported-action",
            path,
            format!("`{shown}` is no action of a bucket or object"),
            help.map_or_else(
                || "remove it: granted to everybody, Block Public Access takes the whole policy as public for it".to_owned(),
                |name| format!("did you mean `{name}`?"),
            ),
        );
    }
}

/// An action on buckets where only objects are named, or the other way round: Amazon S3 refuses
/// the policy ("Action does not apply to any resource(s) in statement").
fn without_resource(
    linter: &mut Linter<'_>,
    statement: &Statement,
    pattern: &Pattern,
    path: String,
) {
    let table = ActionTable::get();
    let actions = table.matching(pattern);
    let (mut buckets, mut objects) = (false, false);
    for resource in &statement.resource.patterns {
        let kinds = kinds(resource);
        buckets |= kinds.0;
        objects |= kinds.1;
    }
    let on_buckets = !actions.without(table.on_objects()).is_empty();
    let on_objects = !actions.and(table.on_objects()).is_empty();
    if on_buckets && buckets || on_objects && objects {
        return;
    }
    let (acts_on, names, example) = if on_objects {
        ("objects", "a bucket", "arn:aws:s3:::example-bucket/*")
    } else {
        ("a bucket", "objects", "arn:aws:s3:::example-bucket")
    };
    linter.say(
        Severity::Error,
        "action-without-resource",
        path,
        format!(
            "`{}` acts on {acts_on}, but the statement names only {names}",
            Shown(pattern.text())
        ),
        format!("add a resource such as `{example}`: Amazon S3 refuses the statement as it is"),
    );
}

/// Whether a resource can be a bucket, and whether it can be an object.
fn kinds(resource: &Pattern) -> (bool, bool) {
    let text = resource.text();
    // The ARN of an access point has a region and an account, and a slash in it all the same.
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let of_access_point = parts.len() == 6 && !(parts[3].is_empty() && parts[4].is_empty());
    let (open, slash) = (text.contains(['*', '?', '$']), text.contains('/'));
    (of_access_point || !slash, of_access_point || slash || open)
}
