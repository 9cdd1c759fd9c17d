//! Whether one concrete request is untrusted, by the definition and not by the search.

use std::net::IpAddr;

use crate::condition::{Condition, Operator, Value};
use crate::document::{Effect, Policy, Statement};
use crate::evaluate::{Matches, statement_matches};
use crate::request::{Caller, Request};

use super::atom::is_narrow;
use super::names::{Names, account_of};

/// Whether nobody that the configuration names sends the request.
pub(crate) fn is_from_stranger(request: &Request, names: &Names) -> bool {
    match &request.caller {
        Caller::Anonymous => true,
        Caller::Principal(arn) => {
            account_of(arn).is_some_and(|account| !names.accounts.contains(&account))
        }
        Caller::Service(name) => !names.services.contains(name),
        Caller::Federated(name) => !name.starts_with("arn:"),
    }
}

/// Whether some Allow statement grants the request other than because of a narrow source address,
/// and no Deny spares it because of one.
pub(crate) fn is_granted_widely(policy: &Policy, request: &Request) -> bool {
    let grants_widely = |statement: &Statement| {
        statement.effect == Effect::Allow
            && statement_matches(statement, policy, request) == Matches::Yes
            && !is_by_narrow_block(statement, Operator::IpAddress, request)
    };
    policy.statements.iter().any(grants_widely) && !is_spared_narrowly(policy, request)
}

/// Whether a Deny spares the request only because of a narrow source address.
pub(crate) fn is_spared_narrowly(policy: &Policy, request: &Request) -> bool {
    policy.statements.iter().any(|statement| {
        if statement.effect != Effect::Deny
            || !is_by_narrow_block(statement, Operator::NotIpAddress, request)
        {
            return false;
        }
        let mut without = statement.clone();
        without
            .conditions
            .retain(|c| !is_about(c, Operator::NotIpAddress));
        statement_matches(statement, policy, request) == Matches::No
            && statement_matches(&without, policy, request) != Matches::No
    })
}

fn is_about(condition: &Condition, operator: Operator) -> bool {
    condition.operator == operator && condition.key == "aws:sourceip"
}

fn is_by_narrow_block(statement: &Statement, operator: Operator, request: &Request) -> bool {
    let Some([address]) = request.context.get("aws:sourceip") else {
        return false;
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let holding = || {
        statement
            .conditions
            .iter()
            .filter(|c| is_about(c, operator))
            .flat_map(|c| &c.values)
            .filter_map(|value| match value {
                Value::Cidr(block) if block.contains(&address) => Some(is_narrow(block)),
                _ => None,
            })
    };
    holding().any(|narrow| narrow) && !holding().any(|narrow| !narrow)
}
