//! The links in a notice that do something: confirm, unsubscribe, acknowledge.
//!
//! Here they are made and taken apart again; a server asks [`LinkRequest::check`] what one is worth, and
//! answers with a page of this module. A GET only shows the page: programs that look at mail follow
//! every link in it. A POST does what it says, which is also what a mail reader sends for one-click
//! unsubscription (RFC 8058, section 3.2).

use jiff::{SignedDuration, Timestamp};

use super::token::{Purpose, TokenError, TokenKey, derive, verify};
use super::{Links, Notice, NoticeKind, Subscription};
use crate::report::html::page::Page;

/// Headers for the pages: the address is as good as a key, so it is neither kept nor passed on, and
/// nobody puts the button under another.
pub const PAGE_HEADERS: [(&str, &str); 6] = [
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-robots-tag", "noindex"),
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    ),
];

/// Makes the links of one subscriber.
#[derive(Clone, Debug)]
pub struct LinkMaker {
    /// Where the server is reached, `https://guard.example.com`, with or without a path.
    pub base_url: String,
    /// What they are signed with.
    pub key: TokenKey,
    /// How long somebody has to confirm.
    pub confirm_within: SignedDuration,
    /// How long the link that acknowledges is good.
    pub acknowledge_within: SignedDuration,
}

impl LinkMaker {
    /// The links of a notice for one subscription. What the notice has of its own stays: a link to a
    /// console is the same for everybody.
    pub fn links(&self, notice: &Notice, subscription: &Subscription, now: Timestamp) -> Links {
        let token = |purpose, within: Option<SignedDuration>| {
            let expires = within.and_then(|within| now.checked_add(within).ok());
            let endpoint = subscription.endpoint.expose();
            derive(&self.key, purpose, &subscription.id, endpoint, expires)
        };
        let base = self.base_url.trim_end_matches('/');
        let of = percent(&subscription.id);
        let mut links = Links {
            console: notice.links.console.clone(),
            ..Links::default()
        };
        if notice.kind == NoticeKind::SubscriptionConfirmation {
            let token = token(Purpose::Confirm, Some(self.confirm_within));
            links.confirm = Some(format!(
                "{base}/links/confirm?subscription={of}&token={token}"
            ));
            return links;
        }
        if notice.kind != NoticeKind::Unsubscribed {
            let token = token(Purpose::Unsubscribe, None);
            links.unsubscribe = Some(format!(
                "{base}/links/unsubscribe?subscription={of}&token={token}"
            ));
        }
        if let Some(finding_id) = &notice.finding_id
            && !notice.kind.is_over()
        {
            let token = token(
                Purpose::Acknowledge { finding_id },
                Some(self.acknowledge_within),
            );
            links.acknowledge = Some(format!(
                "{base}/links/acknowledge?finding={}&subscription={of}&token={token}",
                percent(finding_id)
            ));
        }
        links
    }
}

/// What a link does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkAction {
    /// Confirms the subscription.
    Confirm,
    /// Ends it.
    Unsubscribe,
    /// The subscriber looks after a finding.
    Acknowledge {
        /// The finding's id.
        finding_id: String,
    },
}

/// A link that somebody follows.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkRequest {
    /// What it does.
    pub action: LinkAction,
    /// Whose it is.
    pub subscription_id: String,
    token: String,
}

impl std::fmt::Debug for LinkRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkRequest")
            .field("action", &self.action)
            .field("subscription_id", &self.subscription_id)
            .finish_non_exhaustive()
    }
}

/// The longest query of a link: three short values.
const LONGEST_QUERY: usize = 2_048;

impl LinkRequest {
    /// Reads what [`LinkMaker::links`] made: the path after the base address, and the query. `None`: it is
    /// no such link.
    pub fn parse(path: &str, query: &str) -> Option<LinkRequest> {
        if query.len() > LONGEST_QUERY {
            return None;
        }
        let value = |wanted: &str| {
            let mut values = query.split('&').filter_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                (name == wanted).then_some(value)
            });
            let value = values.next()?;
            // Of two, who knows which was meant.
            values.next().is_none().then(|| decoded(value))?
        };
        Some(LinkRequest {
            action: match path {
                "/links/confirm" => LinkAction::Confirm,
                "/links/unsubscribe" => LinkAction::Unsubscribe,
                "/links/acknowledge" => LinkAction::Acknowledge {
                    finding_id: value("finding")?,
                },
                _ => return None,
            },
            subscription_id: value("subscription")?,
            token: value("token")?,
        })
    }

    /// The subscription that the link is of, if its token is good for what it does. One for an address
    /// that was changed since is not, nor one of a subscription that is there no more.
    pub fn check<'s>(
        &self,
        key: &TokenKey,
        subscriptions: &'s [Subscription],
        now: Timestamp,
    ) -> Result<&'s Subscription, TokenError> {
        let subscription = subscriptions
            .iter()
            .find(|subscription| subscription.id == self.subscription_id)
            .ok_or(TokenError::Invalid)?;
        let purpose = match &self.action {
            LinkAction::Confirm => Purpose::Confirm,
            LinkAction::Unsubscribe => Purpose::Unsubscribe,
            LinkAction::Acknowledge { finding_id } => Purpose::Acknowledge { finding_id },
        };
        let endpoint = subscription.endpoint.expose();
        verify(key, purpose, &subscription.id, endpoint, &self.token, now)?;
        Ok(subscription)
    }

    /// The page for a GET: what it is about, and a button that posts to the same address.
    pub fn question(&self, subscription: &Subscription) -> String {
        let (title, button) = match &self.action {
            LinkAction::Confirm => ("Do you want these notices?", "Yes, send them"),
            LinkAction::Unsubscribe => ("Do you want no more notices?", "Unsubscribe"),
            LinkAction::Acknowledge { .. } => ("Do you look after this?", "Yes, I am on it"),
        };
        let mut page = begun(title);
        self.about(&mut page, subscription);
        page.raw("<form method=\"post\"><button>")
            .raw(button)
            .raw("</button></form>\n");
        ended(page)
    }

    /// The page after a POST that did it.
    pub fn done(&self, subscription: &Subscription) -> String {
        let mut page = begun(match &self.action {
            LinkAction::Confirm => "Confirmed",
            LinkAction::Unsubscribe => "Unsubscribed",
            LinkAction::Acknowledge { .. } => "Thank you",
        });
        self.about(&mut page, subscription);
        page.raw(match &self.action {
            LinkAction::Confirm => "<p>Every notice has a link to unsubscribe.</p>\n",
            LinkAction::Unsubscribe => "<p>Nothing more is sent.</p>\n",
            LinkAction::Acknowledge { .. } => {
                "<p>Nobody else is asked while you look after it. It stays open until it is closed.</p>\n"
            }
        });
        ended(page)
    }

    fn about(&self, page: &mut Page, subscription: &Subscription) {
        page.raw("<p>");
        match &self.action {
            LinkAction::Acknowledge { finding_id } => {
                page.raw("Finding <code>")
                    .text(finding_id)
                    .raw("</code>, for ");
            }
            LinkAction::Confirm | LinkAction::Unsubscribe => {
                page.raw("Notices of the topic <strong>")
                    .text(&subscription.topic)
                    .raw("</strong> to ");
            }
        }
        page.text(&subscription.endpoint.to_string()).raw(".</p>\n");
    }
}

/// The page for a link that is worth nothing.
pub fn refusal(error: TokenError) -> String {
    let mut page = begun("This link does not work");
    page.raw("<p>").text(&error.to_string()).raw(".</p>\n");
    ended(page)
}

fn begun(title: &'static str) -> Page {
    let mut page = Page::new();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>")
        .raw(title)
        .raw(" · Portcullis</title>\n<style>body{margin:0;background:#f6f5f2;color:#1d2129;font:16px/1.5 system-ui,sans-serif}main{max-width:34rem;margin:4rem auto;padding:1.5rem;background:#ffffff;border-top:4px solid #2c5a8c;overflow-wrap:anywhere}h1{font-size:1.4rem;margin:0 0 1rem}button{font:inherit;background:#2c5a8c;color:#ffffff;border:0;border-radius:.4rem;padding:.6rem 1.2rem;cursor:pointer}</style>\n</head>\n<body>\n<main>\n<h1>")
        .raw(title)
        .raw("</h1>\n");
    page
}

fn ended(mut page: Page) -> String {
    page.raw("</main>\n</body>\n</html>\n");
    page.finish()
}

/// Percent-encodes what does not stand for itself in a query's value (RFC 3986, section 2.3).
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The way back. `None`: it is not text, or an escape is not whole.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}
