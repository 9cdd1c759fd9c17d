//! The buckets of the estate.

use policy::bucket::{ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY};

use super::{Example, OWNER, OWNER_ID, PARTNER, PARTNER_ID, Person, Probe, Setting};

fn example(
    name: &'static str,
    key: &'static str,
    content: &'static str,
    story: &'static str,
) -> Example {
    Example {
        name,
        key,
        content,
        story,
        settings: Vec::new(),
        outsider: Probe {
            person: Person::Anonymous,
            target: format!("/{name}/{key}"),
            headers: Vec::new(),
            shows: content,
        },
        keeps: Vec::new(),
    }
}

impl Example {
    fn set(mut self, setting: Setting) -> Example {
        self.settings.push(setting);
        self
    }

    fn canned(self, acl: &str) -> Example {
        self.set(Setting {
            sub_resource: "acl",
            headers: vec![("x-amz-acl", acl.to_owned())],
            body: String::new(),
        })
    }

    /// Grant headers beside the owner's full control.
    fn grants(self, grants: &[(&'static str, String)]) -> Example {
        let owner = ("x-amz-grant-full-control", format!("id=\"{OWNER_ID}\""));
        self.set(Setting {
            sub_resource: "acl",
            headers: [owner].into_iter().chain(grants.iter().cloned()).collect(),
            body: String::new(),
        })
    }

    fn policy(self, statements: &[String]) -> Example {
        let body = format!(
            "{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {}\n  ]\n}}",
            statements.join(",\n    ")
        );
        self.set(Setting {
            sub_resource: "policy",
            headers: Vec::new(),
            body,
        })
    }

    fn block(self, on: &[&str]) -> Example {
        let settings: String = on
            .iter()
            .map(|name| format!("<{name}>true</{name}>"))
            .collect();
        self.set(Setting {
            sub_resource: "publicAccessBlock",
            headers: Vec::new(),
            body: format!(
                "<PublicAccessBlockConfiguration>{settings}</PublicAccessBlockConfiguration>"
            ),
        })
    }

    /// The outsider lists the bucket and sees the object's key.
    fn listed(mut self) -> Example {
        self.outsider.target = format!("/{}?list-type=2", self.name);
        self.outsider.shows = self.key;
        self
    }

    fn tried_by(mut self, person: Person) -> Example {
        self.outsider.person = person;
        self
    }

    fn with_header(mut self, name: &'static str, value: &'static str) -> Example {
        self.outsider.headers.push((name, value));
        self
    }

    /// The partner must be able to list the bucket, always.
    fn partner_lists(mut self) -> Example {
        self.keeps.push(Probe {
            person: Person::Partner,
            target: format!("/{}?list-type=2", self.name),
            headers: Vec::new(),
            shows: self.key,
        });
        self
    }

    /// The partner must be able to read the object, always.
    fn partner_reads(mut self) -> Example {
        self.keeps.push(Probe {
            person: Person::Partner,
            target: format!("/{}/{}", self.name, self.key),
            headers: Vec::new(),
            shows: self.content,
        });
        self
    }

    fn statement(&self, sid: &str, effect: &str, who: &str, actions: &str, more: &str) -> String {
        let name = self.name;
        format!(
            "{{\"Sid\": \"{sid}\", \"Effect\": \"{effect}\", {who},\n     \"Action\": {actions},\n     \
             \"Resource\": [\"arn:aws:s3:::{name}\", \"arn:aws:s3:::{name}/*\"]{more}}}"
        )
    }

    fn allow(&self, sid: &str, who: &str, more: &str) -> String {
        self.statement(
            sid,
            "Allow",
            who,
            r#"["s3:GetObject", "s3:ListBucket"]"#,
            more,
        )
    }
}

const EVERYONE: &str = r#""Principal": "*""#;

fn partner() -> String {
    format!(r#""Principal": {{"AWS": "arn:aws:iam::{PARTNER}:root"}}"#)
}

fn condition(condition: &str) -> String {
    format!(",\n     \"Condition\": {condition}")
}

/// Open by mistake.
pub fn open() -> Vec<Example> {
    let all_users = format!("uri=\"{ALL_USERS}\"");
    let mut estate = vec![
        example(
            "invoices",
            "2026-Q3-invoices.csv",
            "invoice,customer,amount\n4711,Example Corp,18400.00\n",
            "a colleague was to get a file quickly: canned ACL public-read",
        )
        .canned("public-read")
        .listed(),
        example(
            "upload-inbox",
            "from-customer-17.txt",
            "Please find our bank details enclosed.\n",
            "customers were to upload: canned ACL public-read-write",
        )
        .canned("public-read-write")
        .listed(),
        example(
            "partner-exchange",
            "price-list.txt",
            "list price 100, partner price 61\n",
            "\"authenticated users\" was taken for our own: it is every AWS account",
        )
        .grants(&[("x-amz-grant-read", format!("uri=\"{AUTHENTICATED_USERS}\""))])
        .listed()
        .tried_by(Person::Stranger),
        example(
            "access-logs",
            "2026-11-24-00-17-ACCESS",
            "203.0.113.8 GET /login?user=dana 200\n",
            "a public grant beside log delivery's and the auditor's",
        )
        .grants(&[
            (
                "x-amz-grant-read",
                format!("{all_users}, id=\"{PARTNER_ID}\""),
            ),
            ("x-amz-grant-write", format!("uri=\"{LOG_DELIVERY}\"")),
            ("x-amz-grant-read-acp", format!("uri=\"{LOG_DELIVERY}\"")),
        ])
        .listed()
        .partner_lists(),
    ];

    let site = example(
        "website",
        "index.html",
        "<h1>Not launched yet</h1>\n",
        "a policy copied from a tutorial: everybody may read",
    );
    let statement = site.allow("PublicRead", EVERYONE, "");
    estate.push(site.policy(&[statement]));

    let press = example(
        "press-kit",
        "embargoed-announcement.txt",
        "EMBARGO until 1 December\n",
        "\"only from our site\": but every client sends whatever Referer it likes",
    );
    let statements = [
        press.allow("AgencyReads", &partner(), ""),
        press.allow(
            "OnlyFromOurSite",
            EVERYONE,
            &condition(r#"{"StringLike": {"aws:Referer": "https://www.example.com/*"}}"#),
        ),
    ];
    estate.push(
        press
            .policy(&statements)
            .with_header("referer", "https://www.example.com/press")
            .partner_reads(),
    );

    let research = example(
        "research-data",
        "trial-results.csv",
        "subject,outcome\n001,improved\n",
        "NotPrincipal with Allow was meant to lock one user out: it lets the world in",
    );
    let statements = [
        research.allow("LaboratoryReads", &partner(), ""),
        research.allow(
            "AllButTheIntern",
            &format!(r#""NotPrincipal": {{"AWS": "arn:aws:iam::{OWNER}:user/intern"}}"#),
            "",
        ),
    ];
    estate.push(research.policy(&statements).partner_reads());

    let backups = example(
        "backups",
        "db-2026-11-23.dump",
        "-- PostgreSQL database dump\n",
        "\"only our organization\", with IfExists: who has no organization passes",
    );
    let statement = backups.allow(
        "OurOrganization",
        EVERYONE,
        &condition(r#"{"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}"#),
    );
    estate.push(backups.policy(&[statement]));
    estate
}

/// Closed, although some look open. A remediation must not touch them.
pub fn closed() -> Vec<Example> {
    let mut estate = Vec::new();

    let hr = example(
        "hr-records",
        "salaries.csv",
        "name,salary\n",
        "a public Allow, closed by a Deny for everybody outside the account",
    );
    let statements = [
        hr.allow("Everybody", EVERYONE, ""),
        hr.statement(
            "NobodyOutside",
            "Deny",
            EVERYONE,
            r#""s3:*""#,
            &condition(&format!(
                r#"{{"StringNotEquals": {{"aws:PrincipalAccount": "{OWNER}"}}}}"#
            )),
        ),
    ];
    estate.push(hr.policy(&statements));

    let finance = example(
        "finance-archive",
        "ledger-2019.csv",
        "account,balance\n",
        "a public policy, cut off by RestrictPublicBuckets",
    );
    let statement = finance.allow("Everybody", EVERYONE, "");
    estate.push(
        finance
            .policy(&[statement])
            .block(&["RestrictPublicBuckets"]),
    );

    let office = example(
        "office-share",
        "meeting-notes.txt",
        "Attendees: dana, pat\n",
        "everybody, but only from the office's network",
    );
    let statement = office.allow(
        "FromTheOffice",
        EVERYONE,
        &condition(r#"{"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}"#),
    );
    estate.push(office.policy(&[statement]));

    let feed = example(
        "partner-feed",
        "feed.json",
        "{\"stock\": 17}\n",
        "one named partner account may read",
    );
    let statement = feed.allow("PartnerReads", &partner(), "");
    estate.push(feed.policy(&[statement]).partner_reads());

    estate.push(
        example(
            "old-site",
            "old.html",
            "<h1>2014</h1>\n",
            "canned ACL public-read, ignored through IgnorePublicAcls",
        )
        .canned("public-read")
        .block(&["IgnorePublicAcls"])
        .listed(),
    );

    estate.push(
        example(
            "payroll",
            "2026-10.csv",
            "name,net\n",
            "as AWS makes buckets since 2023: all four blocks on, ACLs off",
        )
        .set(Setting {
            sub_resource: "ownershipControls",
            headers: Vec::new(),
            body: "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>".to_owned(),
        })
        .block(&[
            "BlockPublicAcls",
            "IgnorePublicAcls",
            "BlockPublicPolicy",
            "RestrictPublicBuckets",
        ]),
    );
    estate
}

/// Closed at first; somebody opens them by their settings while the estate is watched.
pub fn later() -> Vec<Example> {
    let drafts = example(
        "marketing-drafts",
        "campaign-2027.txt",
        "Claim: the gate that closes itself\n",
        "somebody sets the canned ACL public-read",
    )
    .canned("public-read")
    .listed();

    let exports = example(
        "customer-exports",
        "customers.csv",
        "id,name,email\n1,Example Corp,info@example.com\n",
        "somebody adds a public statement beside the partner's",
    );
    let statements = [
        exports.allow("PartnerReads", &partner(), ""),
        exports.allow("JustForTesting", EVERYONE, ""),
    ];
    let exports = exports.policy(&statements).partner_reads();

    let shared = example(
        "shared-photos",
        "team.jpg.txt",
        "a photograph, in words\n",
        "somebody grants every AWS account to read",
    )
    .grants(&[("x-amz-grant-read", format!("uri=\"{AUTHENTICATED_USERS}\""))])
    .listed()
    .tried_by(Person::Stranger);
    vec![drafts, exports, shared]
}
