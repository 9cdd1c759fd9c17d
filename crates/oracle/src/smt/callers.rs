//! What each kind of stranger can send, as constraints over symbolic values.

use std::collections::{BTreeMap, BTreeSet};

use policy::action::ResourceType;
use z3::ast::{BV, Bool, Int, Regexp, String as Z3String};

use super::AskedAction;
use super::text::{Text, Truth, any_char, chars, constant, sequence};
use crate::generate::{AS_OF, Document, OWNER};

/// The kinds of strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Anonymous,
    User,
    Role,
    Root,
    /// A session by GetFederationToken.
    FederatedUser,
    /// An AWS service that acts for a stranger's account.
    Service,
}

impl Kind {
    pub(super) const ALL: [Kind; 6] = [
        Kind::Anonymous,
        Kind::User,
        Kind::Role,
        Kind::Root,
        Kind::FederatedUser,
        Kind::Service,
    ];

    /// The kinds that the document's keys can tell apart, one of each sort.
    pub(super) fn told_apart(document: &Document) -> Vec<Kind> {
        let keys = document.keys();
        let asks = |names: &[&str]| {
            keys.iter()
                .any(|key| names.iter().any(|name| key.starts_with(name)))
        };
        let who = asks(&["aws:principaltype", "aws:userid"]);
        let signed = who
            || asks(&[
                "aws:principal",
                "aws:username",
                "aws:multi",
                "aws:via",
                "s3:signature",
            ]);
        let which = who || asks(&["aws:principalarn", "aws:principaltag", "aws:username"]);
        let service = signed || asks(&["aws:source"]);
        Kind::ALL
            .into_iter()
            .filter(|kind| match kind {
                Kind::Anonymous => true,
                Kind::User => signed,
                Kind::Role | Kind::Root | Kind::FederatedUser => which,
                Kind::Service => service,
            })
            .collect()
    }

    fn signs(self) -> bool {
        !matches!(self, Kind::Anonymous)
    }

    fn is_principal(self) -> bool {
        !matches!(self, Kind::Anonymous | Kind::Service)
    }
}

/// One value of a key, if it is there.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) there: Truth,
    pub(super) value: Datum,
}

/// A symbolic value.
#[derive(Clone, Debug)]
pub(super) enum Datum {
    Text(Text),
    Number(Int),
    Flag(Truth),
    /// The source address of the [`World`].
    SourceAddress,
}

/// The source of the request: an IPv4 or IPv6 address, or a VPC endpoint.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) is_v4: Bool,
    pub(super) is_v6: Bool,
    pub(super) v4: BV,
    pub(super) v6: BV,
}

/// All requests of one kind of caller with one action.
pub(super) struct World<'a> {
    pub(super) document: &'a Document,
    pub(super) action: &'a AskedAction,
    /// AWS's own question: time is free, variables in an Allow are not fixed.
    pub(super) aws: bool,
    kind: Kind,
    constraints: Vec<Bool>,
    slots: BTreeMap<String, Vec<Slot>>,
    terms: BTreeMap<&'static str, Z3String>,
    switches: BTreeMap<&'static str, Bool>,
    network: Option<Network>,
    time: Option<Int>,
    keys: BTreeSet<String>,
    object_key: Option<Z3String>,
}

const ALNUM: &[(char, char)] = &[('a', 'z'), ('0', '9')];
const NAME: &[(char, char)] = &[
    ('a', 'z'),
    ('A', 'Z'),
    ('0', '9'),
    ('+', '.'),
    ('=', '='),
    ('@', '@'),
    ('_', '_'),
];

impl<'a> World<'a> {
    pub(super) fn new(
        document: &'a Document,
        kind: Kind,
        action: &'a AskedAction,
        aws: bool,
    ) -> World<'a> {
        World {
            document,
            action,
            aws,
            kind,
            constraints: Vec::new(),
            slots: BTreeMap::new(),
            terms: BTreeMap::new(),
            switches: BTreeMap::new(),
            network: None,
            time: None,
            keys: document.keys(),
            object_key: None,
        }
    }

    pub(super) fn constraints(&self) -> &[Bool] {
        &self.constraints
    }

    fn open(&mut self, name: &str, shape: &Regexp) -> Z3String {
        let term = Z3String::fresh_const(name);
        self.constraints.push(term.regex_matches(shape));
        term
    }

    /// A value that AWS assigns: never one that the document writes out.
    fn assigned(&mut self, name: &str, shape: &Regexp, taken: &BTreeSet<String>) -> Z3String {
        let term = self.open(name, shape);
        for text in taken {
            self.constraints.push(term.eq(constant(text)).not());
        }
        term
    }

    fn switch(&mut self, name: &'static str) -> Bool {
        self.switches
            .entry(name)
            .or_insert_with(|| Bool::fresh_const(name))
            .clone()
    }

    fn term(&mut self, name: &'static str) -> Z3String {
        if let Some(term) = self.terms.get(name) {
            return term.clone();
        }
        let term = match name {
            "account" | "access point account" => {
                let taken = self.document.accounts();
                self.assigned(name, &chars(&[('0', '9')]).r#loop(12, 12), &taken)
            }
            "path" => {
                let segment = sequence(&[chars(&[('!', '~')]).plus(), Regexp::literal("/")]);
                self.open(name, &segment.option())
            }
            "unique id" => {
                let prefix = if self.kind == Kind::User {
                    "AIDA"
                } else {
                    "AROA"
                };
                let taken = self.document.unique_ids();
                let id = chars(&[('A', 'Z'), ('0', '9')]);
                let shape = sequence(&[Regexp::literal(prefix), id.plus()]);
                self.assigned(name, &shape, &taken)
            }
            _ => self.open(name, &chars(NAME).plus()),
        };
        self.terms.insert(name, term.clone());
        term
    }

    /// The object's key; `None` for an action on the bucket itself.
    pub(super) fn object_key(&mut self) -> Option<Text> {
        if self.action.resource == ResourceType::Bucket {
            return None;
        }
        if let Some(term) = &self.object_key {
            return Some(Text::Open(term.clone()));
        }
        let term = self.open("key", &any_char().plus());
        self.object_key = Some(term.clone());
        Some(Text::Open(term))
    }

    pub(super) fn network(&mut self) -> Network {
        if let Some(network) = &self.network {
            return network.clone();
        }
        let network = Network {
            is_v4: Bool::fresh_const("is v4"),
            is_v6: Bool::fresh_const("is v6"),
            v4: BV::fresh_const("v4", 32),
            v6: BV::fresh_const("v6", 128),
        };
        let both = Bool::and(&[&network.is_v4, &network.is_v6]);
        self.constraints.push(both.not());
        // Requests from the internet have public addresses.
        for block in [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "0.0.0.0/8",
            "127.0.0.0/8",
            "224.0.0.0/4",
            "::1/128",
            "::/128",
            "ff00::/8",
        ] {
            if let Truth::Open(inside) = super::conditions::in_block(&network, block) {
                self.constraints.push(inside.not());
            }
        }
        self.network = Some(network.clone());
        network
    }

    fn through_endpoint(&mut self) -> Truth {
        let network = self.network();
        Truth::Open(Bool::or(&[&network.is_v4, &network.is_v6]).not())
    }

    /// Seconds since 1970.
    fn time(&mut self) -> Int {
        if let Some(time) = &self.time {
            return time.clone();
        }
        let time = Int::fresh_const("time");
        let earliest = if self.aws {
            0
        } else {
            AS_OF
                .parse::<jiff::Timestamp>()
                .map_or(0, |t| t.as_second())
        };
        self.constraints.push(time.ge(Int::from_i64(earliest)));
        self.time = Some(time.clone());
        time
    }

    fn count(&mut self, name: &str) -> Datum {
        let count = Int::fresh_const(name);
        self.constraints.push(count.ge(Int::from_i64(0)));
        Datum::Number(count)
    }

    /// The symbolic values of a key, in lower case; none if this caller never has the key.
    pub(super) fn slots(&mut self, key: &str) -> Vec<Slot> {
        if !self.action.has(key) {
            return Vec::new();
        }
        if let Some(slots) = self.slots.get(key) {
            return slots.clone();
        }
        let slots = self.make(key);
        self.slots.insert(key.to_owned(), slots.clone());
        slots
    }

    fn make(&mut self, key: &str) -> Vec<Slot> {
        let always = |value| {
            vec![Slot {
                there: Truth::Known(true),
                value,
            }]
        };
        let known = |text: &str| Datum::Text(Text::Known(text.to_owned()));
        let flag = |value| Datum::Flag(Truth::Known(value));
        let maybe = |there: Bool, value| {
            vec![Slot {
                there: Truth::Open(there),
                value,
            }]
        };
        let (kind, principal) = (self.kind, self.kind.is_principal());
        match key {
            "aws:sourceip" => {
                let there = self.through_endpoint().not();
                vec![Slot {
                    there,
                    value: Datum::SourceAddress,
                }]
            }
            "aws:sourcevpc" | "aws:sourcevpce" => {
                let prefix = if key.ends_with("vpce") {
                    "vpce-"
                } else {
                    "vpc-"
                };
                let shape = sequence(&[Regexp::literal(prefix), chars(ALNUM).plus()]);
                let taken = self.document.written_out(key);
                let value = self.assigned(key, &shape, &taken);
                // For AWS's status every key is free, whichever way the request comes.
                let there = if self.aws {
                    Truth::Open(Bool::fresh_const("through an endpoint"))
                } else {
                    self.through_endpoint()
                };
                vec![Slot {
                    there,
                    value: Datum::Text(Text::Open(value)),
                }]
            }
            "aws:securetransport" => always(Datum::Flag(Truth::Open(Bool::fresh_const(key)))),
            "aws:viaawsservice" if !principal => always(flag(false)),
            "aws:viaawsservice" => always(Datum::Flag(Truth::Open(Bool::fresh_const(key)))),
            "aws:principalisawsservice" if kind == Kind::Anonymous => Vec::new(),
            "aws:principalisawsservice" => always(flag(kind == Kind::Service)),
            "aws:multifactorauthpresent" if principal => maybe(
                Bool::fresh_const("mfa"),
                Datum::Flag(Truth::Open(Bool::fresh_const(key))),
            ),
            "aws:currenttime" | "aws:epochtime" => always(Datum::Number(self.time())),
            "s3:max-keys" => {
                let count = self.count(key);
                maybe(Bool::fresh_const("max-keys there"), count)
            }
            "s3:signatureage" if !kind.signs() => Vec::new(),
            "s3:signatureage" => {
                let count = self.count(key);
                maybe(Bool::fresh_const("signed by query"), count)
            }
            "aws:principalaccount" if principal => {
                always(Datum::Text(Text::Open(self.term("account"))))
            }
            "aws:principalorgid" if principal => {
                let shape = sequence(&[Regexp::literal("o-"), chars(ALNUM).r#loop(10, 10)]);
                let taken = self.document.written_out(key);
                let value = self.assigned(key, &shape, &taken);
                maybe(
                    Bool::fresh_const("in an organization"),
                    Datum::Text(Text::Open(value)),
                )
            }
            "aws:principalarn" if principal => {
                let arn = self.principal_arn();
                always(Datum::Text(Text::Open(arn)))
            }
            "aws:userid" => match kind {
                Kind::Anonymous => always(known("anonymous")),
                Kind::Service => Vec::new(),
                _ => {
                    let id = self.user_id();
                    always(Datum::Text(Text::Open(id)))
                }
            },
            "aws:username" if kind == Kind::User => {
                always(Datum::Text(Text::Open(self.term("user name"))))
            }
            "aws:principaltype" => match kind {
                Kind::Anonymous => always(known("Anonymous")),
                Kind::User => always(known("User")),
                Kind::Role => always(known("AssumedRole")),
                Kind::Root => always(known("Account")),
                Kind::FederatedUser => always(known("FederatedUser")),
                Kind::Service => Vec::new(),
            },
            "aws:sourceaccount" if kind == Kind::Service => {
                let value = Datum::Text(Text::Open(self.term("account")));
                maybe(Bool::fresh_const("source account there"), value)
            }
            "aws:sourcearn" if kind == Kind::Service => {
                let value = self.source_arn();
                maybe(Bool::fresh_const("source there"), value)
            }
            "s3:dataaccesspointaccount" => {
                let value = Datum::Text(Text::Open(self.term("access point account")));
                maybe(self.switch("through an access point"), value)
            }
            "s3:dataaccesspointarn" => {
                let region = self.open(
                    "region",
                    &chars(&[('a', 'z'), ('0', '9'), ('-', '-')]).plus(),
                );
                let account = self.term("access point account");
                let name = self.open(
                    "access point",
                    &chars(&[('a', 'z'), ('0', '9'), ('-', '-')]).plus(),
                );
                let arn = Z3String::concat(&[
                    &constant("arn:aws:s3:"),
                    &region,
                    &constant(":"),
                    &account,
                    &constant(":accesspoint/"),
                    &name,
                ]);
                maybe(
                    self.switch("through an access point"),
                    Datum::Text(Text::Open(arn)),
                )
            }
            "aws:resourceaccount" | "s3:resourceaccount" => always(known(OWNER)),
            "aws:referer" | "aws:useragent" => self.free_text(key, 1),
            "s3:requestobjecttagkeys" => self.free_text(key, 3),
            _ if key.starts_with("s3:") => self.free_text(key, 1),
            _ if key.starts_with("aws:principaltag/")
                && matches!(kind, Kind::User | Kind::Role | Kind::FederatedUser) =>
            {
                self.free_text(key, 1)
            }
            _ => Vec::new(),
        }
    }

    fn free_text(&mut self, key: &str, slots: usize) -> Vec<Slot> {
        (0..slots)
            .map(|_| {
                let value = self.open(key, &any_char().star());
                Slot {
                    there: Truth::Open(Bool::fresh_const("there")),
                    value: Datum::Text(Text::Open(value)),
                }
            })
            .collect()
    }

    /// Whether the document asks for none of these keys, so that a value may stand alone.
    fn unasked(&self, keys: &[&str]) -> bool {
        keys.iter().all(|key| !self.keys.contains(*key))
    }

    /// A text of this shape that starts with none of the starts.
    fn open_unless(&mut self, name: &str, shape: &[Regexp], starts: &[String]) -> Z3String {
        let term = self.open(name, &sequence(shape));
        for start in starts {
            let taken = sequence(&[Regexp::literal(start), any_char().star()]);
            self.constraints.push(term.regex_matches(&taken).not());
        }
        term
    }

    fn principal_arn(&mut self) -> Z3String {
        if self.unasked(&["aws:principalaccount", "aws:username", "aws:userid"]) {
            let service = if self.kind == Kind::FederatedUser {
                "sts"
            } else {
                "iam"
            };
            let starts: Vec<String> = self
                .document
                .accounts()
                .iter()
                .map(|account| format!("arn:aws:{service}::{account}:"))
                .collect();
            let path = sequence(&[chars(&[('!', '~')]).plus(), Regexp::literal("/")]).option();
            let name = chars(NAME).plus();
            let rest = match self.kind {
                Kind::User => sequence(&[Regexp::literal(":user/"), path, name]),
                Kind::Role => sequence(&[Regexp::literal(":role/"), path, name]),
                Kind::FederatedUser => sequence(&[Regexp::literal(":federated-user/"), name]),
                _ => Regexp::literal(":root"),
            };
            let shape = [
                Regexp::literal(&format!("arn:aws:{service}::")),
                chars(&[('0', '9')]).r#loop(12, 12),
                rest,
            ];
            return self.open_unless("principal arn", &shape, &starts);
        }
        let account = self.term("account");
        let start = |service: &str| constant(&format!("arn:aws:{service}::"));
        match self.kind {
            Kind::User | Kind::Role => {
                let (what, name) = if self.kind == Kind::User {
                    (":user/", "user name")
                } else {
                    (":role/", "role name")
                };
                let (path, name) = (self.term("path"), self.term(name));
                Z3String::concat(&[&start("iam"), &account, &constant(what), &path, &name])
            }
            Kind::FederatedUser => {
                let name = self.term("federated name");
                let what = constant(":federated-user/");
                Z3String::concat(&[&start("sts"), &account, &what, &name])
            }
            _ => Z3String::concat(&[&start("iam"), &account, &constant(":root")]),
        }
    }

    fn user_id(&mut self) -> Z3String {
        match self.kind {
            Kind::User => self.term("unique id"),
            Kind::Role => {
                let starts: Vec<String> = self
                    .document
                    .unique_ids()
                    .iter()
                    .map(|id| format!("{id}:"))
                    .collect();
                let shape = [
                    Regexp::literal("AROA"),
                    chars(&[('A', 'Z'), ('0', '9')]).plus(),
                    Regexp::literal(":"),
                    chars(NAME).plus(),
                ];
                self.open_unless("session", &shape, &starts)
            }
            Kind::FederatedUser => {
                let (account, name) = (self.term("account"), self.term("federated name"));
                Z3String::concat(&[&account, &constant(":"), &name])
            }
            _ => self.term("account"),
        }
    }

    /// A bucket of the stranger's (its ARN has no account), or a resource of his account.
    fn source_arn(&mut self) -> Datum {
        let taken = self.document.written_out("aws:sourcearn");
        let plain = chars(&[('a', 'z'), ('0', '9'), ('-', '-')]);
        if self.unasked(&["aws:sourceaccount"]) {
            let of_account = sequence(&[
                Regexp::literal("arn:aws:"),
                plain.plus(),
                Regexp::literal(":"),
                plain.star(),
                Regexp::literal(":"),
                chars(&[('0', '9')]).r#loop(12, 12),
                Regexp::literal(":"),
                chars(&[('!', '~')]).plus(),
            ]);
            let of_bucket = sequence(&[Regexp::literal("arn:aws:s3:::"), plain.plus()]);
            let shape = Regexp::union(&[&of_account, &of_bucket]);
            let arn = self.assigned("source arn", &shape, &taken);
            for account in self.document.accounts() {
                let of_taken = sequence(&[
                    Regexp::literal("arn:aws:"),
                    plain.plus(),
                    Regexp::literal(":"),
                    plain.star(),
                    Regexp::literal(&format!(":{account}:")),
                    any_char().star(),
                ]);
                self.constraints.push(arn.regex_matches(&of_taken).not());
            }
            return Datum::Text(Text::Open(arn));
        }
        let account = self.term("account");
        let service = self.open("service", &plain.plus());
        let region = self.open("region", &plain.star());
        let rest = self.open("rest", &chars(&[('!', '~')]).plus());
        let of_account = Z3String::concat(&[
            &constant("arn:aws:"),
            &service,
            &constant(":"),
            &region,
            &constant(":"),
            &account,
            &constant(":"),
            &rest,
        ]);
        let name = self.open("bucket", &plain.plus());
        let of_bucket = Z3String::concat(&[&constant("arn:aws:s3:::"), &name]);
        let arn = Z3String::fresh_const("source arn");
        self.constraints
            .push(Bool::or(&[&arn.eq(&of_account), &arn.eq(&of_bucket)]));
        for text in &taken {
            self.constraints.push(arn.eq(constant(text)).not());
        }
        Datum::Text(Text::Open(arn))
    }
}

impl Document {
    /// Every key that a condition or a variable mentions, in lower case.
    pub(super) fn keys(&self) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for statement in &self.statements {
            for test in &statement.tests {
                keys.insert(test.key.to_lowercase());
            }
            let texts = statement.tests.iter().flat_map(|t| &t.values);
            for text in texts.chain(&statement.resources) {
                for part in text.split("${").skip(1) {
                    let end = part.find([',', '}']).unwrap_or(part.len());
                    keys.insert(part[..end].trim().to_lowercase());
                }
            }
        }
        keys
    }

    fn values_of(&self, key: &str) -> impl Iterator<Item = (&str, &str)> {
        self.statements
            .iter()
            .flat_map(|s| &s.tests)
            .filter(move |t| t.key.eq_ignore_ascii_case(key))
            .flat_map(|t| t.values.iter().map(|v| (t.operator, v.as_str())))
    }

    /// The values of a key that name one text.
    fn written_out(&self, key: &str) -> BTreeSet<String> {
        self.values_of(key)
            .filter(|(operator, value)| {
                !value.contains("${")
                    && (!value.contains(['*', '?'])
                        || operator.starts_with("String") && operator.contains("Equals"))
            })
            .map(|(_, value)| value.to_owned())
            .collect()
    }

    /// Whether some block on the source address is one that AWS counts as fixed.
    pub(super) fn has_narrow_blocks(&self) -> bool {
        self.values_of("aws:sourceip").any(|(_, value)| {
            let block = super::conditions::block(value);
            block.is_some_and(crate::untrusted::is_narrow)
        })
    }

    /// Every account id that occurs anywhere, and the owner.
    fn accounts(&self) -> BTreeSet<String> {
        let text = self.to_json().to_string();
        text.split(|c: char| !c.is_ascii_digit())
            .filter(|run| run.len() == 12)
            .map(str::to_owned)
            .chain([OWNER.to_owned()])
            .collect()
    }

    /// The unique ids in values of `aws:userid`.
    fn unique_ids(&self) -> BTreeSet<String> {
        self.values_of("aws:userid")
            .filter_map(|(_, value)| value.split(':').next())
            .filter(|id| !id.contains(['*', '?', '$']))
            .map(str::to_owned)
            .collect()
    }
}
