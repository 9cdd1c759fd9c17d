//! A plan as a diff of before and after, for people.

use std::fmt;

use policy::bucket::{Acl, Bucket, Grantee, PublicAccessBlock};
use policy::observed::Observed;

use super::RemediationPlan;

/// One line of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The name of a part, such as `acl`.
    Part(&'static str),
    /// Stays.
    Kept(String),
    /// Goes.
    Removed(String),
    /// Comes.
    Added(String),
}

impl fmt::Display for Line {
    /// As `diff -u` marks lines; the name of a part stands alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Part(name) => write!(f, "{name}:"),
            Line::Kept(line) => write!(f, "  {line}"),
            Line::Removed(line) => write!(f, "- {line}"),
            Line::Added(line) => write!(f, "+ {line}"),
        }
    }
}

/// The parts that the plan changes, line by line. Control characters are escaped.
pub fn lines(plan: &RemediationPlan) -> Vec<Line> {
    let mut all = Vec::new();
    for (name, part) in [
        ("acl", acl as fn(&Bucket) -> Vec<String>),
        ("policy", policy_text),
        ("public access block", block),
    ] {
        let (before, after) = (part(&plan.before), part(&plan.after));
        if before != after {
            all.push(Line::Part(name));
            all.extend(compare(&before, &after));
        }
    }
    all
}

fn acl(bucket: &Bucket) -> Vec<String> {
    bucket.acl.present().map(acl_lines).unwrap_or_default()
}

/// An ACL, a grant a line.
pub fn acl_lines(acl: &Acl) -> Vec<String> {
    acl.grants
        .iter()
        .map(|grant| {
            let to = match &grant.grantee {
                Grantee::Group(uri) => {
                    format!("group {}", uri.rsplit('/').next().unwrap_or_default())
                }
                Grantee::CanonicalUser(id) if Some(id) == acl.owner.as_ref() => {
                    format!("owner {id}")
                }
                Grantee::CanonicalUser(id) => format!("account {id}"),
                Grantee::Email(address) => format!("e-mail {address}"),
            };
            visible(&format!("{} to {to}", grant.permission.as_str()))
        })
        .collect()
}

fn policy_text(bucket: &Bucket) -> Vec<String> {
    bucket
        .policy
        .present()
        .map(|policy| indented(&policy.text))
        .unwrap_or_default()
}

fn block(bucket: &Bucket) -> Vec<String> {
    let block = match &bucket.public_access_block.bucket {
        Observed::Present(block) => *block,
        Observed::Absent | Observed::Unknown(_) => PublicAccessBlock::default(),
    };
    [
        ("BlockPublicAcls", block.block_public_acls),
        ("IgnorePublicAcls", block.ignore_public_acls),
        ("BlockPublicPolicy", block.block_public_policy),
        ("RestrictPublicBuckets", block.restrict_public_buckets),
    ]
    .into_iter()
    .map(|(name, on)| format!("{name}: {on}"))
    .collect()
}

/// JSON text, one element a line, its words and their order as written.
pub fn indented(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut depth = 0_usize;
    let (mut in_string, mut escaped) = (false, false);
    let mut chars = text.chars().peekable();
    let mut end_line = |line: &mut String, depth: usize| {
        if !line.trim().is_empty() {
            lines.push(visible(line.trim_end()));
        }
        *line = "  ".repeat(depth.min(32));
    };
    while let Some(c) = chars.next() {
        if in_string {
            line.push(c);
            (in_string, escaped) = match (c, escaped) {
                ('"', false) => (false, false),
                ('\\', false) => (true, true),
                _ => (true, false),
            };
            continue;
        }
        match c {
            '"' => {
                in_string = true;
                line.push(c);
            }
            '{' | '[' => {
                line.push(c);
                while chars.peek().is_some_and(|c| c.is_ascii_whitespace()) {
                    chars.next();
                }
                if let Some(close) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    line.push(close);
                } else {
                    depth += 1;
                    end_line(&mut line, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                end_line(&mut line, depth);
                line.push(c);
            }
            ',' => {
                line.push(c);
                end_line(&mut line, depth);
            }
            ':' => line.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => line.push(c),
        }
    }
    end_line(&mut line, 0);
    lines
}

/// The text with control characters (a terminal would obey them) spelled out.
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || ('\u{200e}'..='\u{202e}').contains(&c) {
                c.escape_unicode().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// Longest common subsequence. Policies have at most some thousand lines (20 KB); what is alike at
/// both ends, mostly nearly all, is set aside first.
fn compare(before: &[String], after: &[String]) -> Vec<Line> {
    let same_start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (old, new) = (&before[same_start..], &after[same_start..]);
    let same_end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (old, new) = (&old[..old.len() - same_end], &new[..new.len() - same_end]);
    let mut longest = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] = if old[i] == new[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let mut lines: Vec<Line> = before[..same_start]
        .iter()
        .cloned()
        .map(Line::Kept)
        .collect();
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Kept(old[i].clone()));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            lines.push(Line::Removed(old[i].clone()));
            i += 1;
        } else {
            lines.push(Line::Added(new[j].clone()));
            j += 1;
        }
    }
    lines.extend(
        before[before.len() - same_end..]
            .iter()
            .cloned()
            .map(Line::Kept),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indents_without_touching_strings() {
        assert_eq!(
            indented(r#"{"Sid":"a,{b}\"","List":[1,{}],"E":[ ]}"#),
            [
                "{",
                r#"  "Sid": "a,{b}\"","#,
                r#"  "List": ["#,
                "    1,",
                "    {}",
                "  ],",
                r#"  "E": []"#,
                "}"
            ]
        );
    }

    #[test]
    fn compares_lines() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let shown: String = compare(&lines("a b c d"), &lines("a x c d"))
            .into_iter()
            .map(|line| match line {
                Line::Kept(l) => format!(" {l}"),
                Line::Removed(l) => format!("-{l}"),
                Line::Added(l) => format!("+{l}"),
                Line::Part(l) => l.to_owned(),
            })
            .collect();
        assert_eq!(shown, " a-b+x c d");
    }

    #[test]
    fn a_terminal_obeys_nothing() {
        assert_eq!(visible("a\u{1b}[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
    }
}
