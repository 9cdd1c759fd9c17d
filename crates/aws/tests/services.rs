//! The services around S3: what is sent, how it is signed, and what each answer comes to.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws::{Queue, ServiceEndpoints, Services};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use base64::Engine;
use guard::error::{CallError, Hopeless};
use guard::operation::Operation;
use guard::ports::publish::*;
use guard::ports::queue::{EventQueue, QueuedMessage};
use guard::ports::record::{
    CredentialReport, RecordAccount, ReportProgress, VirtualMfaDevice, Volume, VolumeAttachment,
};
use support::*;

/// The services behind one answer for everything, at AWS's own endpoints.
fn services(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Arc<Services>, Fake) {
    elsewhere(ServiceEndpoints::default(), answer)
}

fn elsewhere(
    endpoints: ServiceEndpoints,
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> (Arc<Services>, Fake) {
    let fake = Fake::new(answer);
    let config = config(SharedHttpClient::new(fake.clone()));
    (Arc::new(Services::new(config, endpoints).unwrap()), fake)
}

fn last(fake: &Fake) -> Asked {
    fake.asked.lock().unwrap().last().unwrap().clone()
}

/// `Credential=AKID/DATE/REGION/SERVICE/aws4_request` of a signature.
fn signed_for(asked: &Asked) -> (String, String) {
    let authorization = asked.header("authorization").unwrap();
    let (_, credential) = authorization.split_once("Credential=").unwrap();
    let parts: Vec<&str> = credential.split(['/', ',']).collect();
    (parts[2].to_owned(), parts[3].to_owned())
}

fn json(body: &str) -> Answer {
    Answer::new(200, body).header("content-type", "application/x-amz-json-1.0")
}

const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/111122223333/events";

#[tokio::test]
async fn a_queue_gives_messages_with_what_is_known_of_them() {
    let (services, fake) = services(|_| {
        json(
            r#"{"Messages":[
                {"MessageId":"m1","ReceiptHandle":"r1","MD5OfBody":"5d41402abc4b2a76b9719d911017c592","Body":"hello",
                    "Attributes":{"SentTimestamp":"1767225600123","ApproximateReceiveCount":"3"}},
                {"MessageId":"m2","Body":"without a receipt"}]}"#,
        )
    });
    let queue = Queue::at(services, QUEUE).unwrap();
    let received = queue.receive(50, Duration::from_secs(60)).await.unwrap();
    assert_eq!(
        received,
        [QueuedMessage {
            message_id: "m1".to_owned(),
            body: "hello".to_owned(),
            receipt: "r1".to_owned(),
            sent_at: Some("2026-01-01T00:00:00.123Z".parse().unwrap()),
            receive_count: 3,
        }]
    );
    let asked = last(&fake);
    assert_eq!(asked.host, "sqs.eu-west-1.amazonaws.com");
    assert_eq!(
        signed_for(&asked),
        ("eu-west-1".to_owned(), "sqs".to_owned())
    );
    assert!(
        asked.body.contains("\"MaxNumberOfMessages\":10"),
        "{asked:?}"
    );
    assert!(asked.body.contains("\"WaitTimeSeconds\":20"), "{asked:?}");
}

#[tokio::test]
async fn a_queue_elsewhere_is_asked_where_its_url_or_the_configuration_says() {
    let by_url = "http://127.0.0.1:5000/111122223333/events";
    let (services, fake) = services(|_| json("{}"));
    let queue = Queue::at(services, by_url).unwrap();
    assert_eq!(queue.receive(1, Duration::ZERO).await, Ok(Vec::new()));
    assert_eq!(last(&fake).host, "127.0.0.1:5000");
    queue.delete("r1").await.unwrap();
    assert!(last(&fake).body.contains("\"ReceiptHandle\":\"r1\""));
    queue.extend("r1", Duration::from_secs(90)).await.unwrap();
    assert!(last(&fake).body.contains("\"VisibilityTimeout\":90"));

    let endpoints = ServiceEndpoints {
        sqs: Some("http://sqs.test".to_owned()),
        ..ServiceEndpoints::default()
    };
    let (services, fake) = elsewhere(endpoints, |_| json("{}"));
    let queue = Queue::at(services, QUEUE).unwrap();
    queue.receive(1, Duration::ZERO).await.unwrap();
    assert_eq!(last(&fake).host, "sqs.test");
}

#[test]
fn an_endpoint_is_checked_before_anything_is_sent() {
    let endpoints = ServiceEndpoints {
        iam: Some("http://key:secret@iam.test".to_owned()),
        ..ServiceEndpoints::default()
    };
    let config = config(SharedHttpClient::new(Fake::new(|_| Answer::new(200, ""))));
    let error = Services::new(config, endpoints).err().unwrap();
    assert!(matches!(error, Hopeless::Configuration { .. }));
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn failures_say_what_they_mean() {
    let error = |code: &str| {
        Answer::new(
            400,
            format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":"because"}}"#),
        )
        .header("x-amzn-errortype", code)
    };
    let operation = Operation::ReceiveMessage;
    for (answer, meaning) in [
        (
            error("AccessDeniedException"),
            CallError::AccessDenied { operation },
        ),
        (
            error("RequestThrottled"),
            CallError::Throttled { operation },
        ),
        (error("OverLimit"), CallError::Throttled { operation }),
        (
            error("ExpiredTokenException"),
            Hopeless::ExpiredCredentials.into(),
        ),
        (
            Answer::new(
                403,
                r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Signature expired: 20260101T000000Z is now earlier than 20260101T010000Z"}"#,
            ),
            Hopeless::ClockSkew.into(),
        ),
    ] {
        let (services, _) = services(move |_| answer.clone());
        let queue = Queue::at(services, QUEUE).unwrap();
        assert_eq!(queue.receive(1, Duration::ZERO).await, Err(meaning));
    }
    let (gone, _) = services(move |_| error("QueueDoesNotExist"));
    let queue = Queue::at(gone, QUEUE).unwrap();
    let said = queue.receive(1, Duration::ZERO).await.unwrap_err();
    assert!(said.to_string().contains("QueueDoesNotExist"), "{said}");
    let (wrong, _) = services(|_| Answer::new(200, "<html>sign in</html>"));
    let queue = Queue::at(wrong, QUEUE).unwrap();
    assert!(matches!(
        queue.receive(1, Duration::ZERO).await,
        Err(CallError::Unsupported { .. })
    ));
}

#[tokio::test]
async fn a_topics_region_and_attributes() {
    let (services, fake) = services(|_| {
        Answer::new(
            200,
            "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>m1</MessageId></PublishResult></PublishResponse>",
        )
    });
    let message = TopicMessage {
        topic: "arn:aws:sns:eu-north-1:111122223333:alerts".to_owned(),
        subject: Some("open".to_owned()),
        message: "text & more".to_owned(),
        attributes: BTreeMap::from([("bucket".to_owned(), "logs".to_owned())]),
        ..TopicMessage::default()
    };
    assert_eq!(services.publish(&message).await, Ok("m1".to_owned()));
    let asked = last(&fake);
    assert_eq!(
        signed_for(&asked),
        ("eu-north-1".to_owned(), "sns".to_owned())
    );
    for sent in [
        "Subject=open",
        "Message=text+%26+more&",
        "MessageAttributes.entry.1.Name=bucket",
    ] {
        let spaces = sent.replace('+', "%20");
        assert!(asked.body.contains(&spaces), "{sent}: {}", asked.body);
    }
}

fn an_event() -> BusEntry {
    BusEntry {
        bus: None,
        source: "portcullis".to_owned(),
        detail_type: "Config Rules Compliance Change".to_owned(),
        detail: "{}".to_owned(),
        resources: Vec::new(),
        time: None,
    }
}

#[tokio::test]
async fn an_event_that_was_not_taken_is_an_error() {
    let operation = Operation::PutEvents;
    let two = [an_event(), an_event()];
    let put = async |body: &'static str| {
        let (services, _) = services(move |_| json(body));
        services.put_events("eu-central-1", &two).await
    };
    assert_eq!(
        put(r#"{"FailedEntryCount":0,"Entries":[{"EventId":"a"},{"EventId":"b"}]}"#).await,
        Ok(vec!["a".to_owned(), "b".to_owned()])
    );
    assert_eq!(
        put(r#"{"FailedEntryCount":1,"Entries":[{"EventId":"a"},{"ErrorCode":"ThrottlingException","ErrorMessage":"slow"}]}"#).await,
        Err(CallError::Throttled { operation })
    );
    assert!(matches!(
        put(
            r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure"},{"EventId":"b"}]}"#
        )
        .await,
        Err(CallError::Passing { .. })
    ));
    let said = put(r#"{"FailedEntryCount":1,"Entries":[{"EventId":"a"},{"ErrorCode":"MalformedDetail","ErrorMessage":"Detail is malformed."}]}"#)
        .await
        .unwrap_err();
    assert!(
        said.to_string()
            .contains("MalformedDetail event 2 of 2: Detail is malformed."),
        "{said}"
    );
    // It says nothing of the second.
    assert!(matches!(
        put(r#"{"FailedEntryCount":0,"Entries":[{"EventId":"a"}]}"#).await,
        Err(CallError::Failed { .. })
    ));
    let (services, fake) = services(|_| json("{}"));
    let many = vec![an_event(); 11];
    for wrong in [&many[..], &[]] {
        assert!(services.put_events("eu-central-1", wrong).await.is_err());
    }
    assert_eq!(fake.asked.lock().unwrap().len(), 0, "nothing was sent");
}

#[tokio::test]
async fn a_message_to_a_queue() {
    let (services, fake) = services(|_| {
        json(r#"{"MessageId":"m1","MD5OfMessageBody":"5d41402abc4b2a76b9719d911017c592"}"#)
    });
    let message = QueueMessage {
        queue_url: QUEUE.to_owned(),
        body: "hello".to_owned(),
        group: Some("g".to_owned()),
        ..QueueMessage::default()
    };
    assert_eq!(services.send_message(&message).await, Ok("m1".to_owned()));
    assert!(last(&fake).body.contains("\"MessageGroupId\":\"g\""));
}

#[tokio::test]
async fn a_function_is_invoked_and_its_own_failure_is_an_answer() {
    let (services, fake) = services(|_| {
        Answer::new(200, r#"{"errorMessage":"boom"}"#).header("x-amz-function-error", "Unhandled")
    });
    let arn = "arn:aws:lambda:eu-west-1:111122223333:function:rule";
    let answer = services
        .invoke(arn, br#"{"a":1}"#, Invocation::Wait)
        .await
        .unwrap();
    assert_eq!(answer.error.as_deref(), Some("Unhandled"));
    assert_eq!(answer.payload, br#"{"errorMessage":"boom"}"#);
    let asked = last(&fake);
    assert_eq!(asked.method, "POST");
    assert_eq!(asked.host, "lambda.eu-west-1.amazonaws.com");
    assert_eq!(
        asked.path,
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Arule/invocations"
    );
    assert_eq!(asked.body, r#"{"a":1}"#);
    assert_eq!(
        asked.header("x-amz-invocation-type"),
        Some("RequestResponse")
    );
    assert_eq!(asked.header("content-length"), Some("7"));
    assert_eq!(
        signed_for(&asked),
        ("eu-west-1".to_owned(), "lambda".to_owned())
    );
    services
        .invoke("rule", b"{}", Invocation::Event)
        .await
        .unwrap();
    assert_eq!(last(&fake).header("x-amz-invocation-type"), Some("Event"));
    assert_eq!(last(&fake).host, "lambda.eu-central-1.amazonaws.com");

    let (refused, _) = elsewhere(ServiceEndpoints::default(), |_| {
        Answer::new(
            403,
            r#"{"Message":"not authorized to perform: lambda:InvokeFunction"}"#,
        )
        .header(
            "x-amzn-errortype",
            "AccessDeniedException:http://internal.amazon.com/",
        )
    });
    assert_eq!(
        refused.invoke("rule", b"{}", Invocation::Wait).await,
        Err(CallError::AccessDenied {
            operation: Operation::InvokeFunction
        })
    );
}

/// What IAM answers: `<ActionResponse><ActionResult>…`.
fn iam(action: &str, result: &str) -> Answer {
    Answer::new(
        200,
        format!(
            "<{action}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><{action}Result>{result}</{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
        ),
    )
}

fn query_error(status: u16, code: &str) -> Answer {
    Answer::new(
        status,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>because</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        ),
    )
}

#[tokio::test]
async fn the_accounts_summary() {
    let (services, fake) = services(|_| {
        iam(
            "GetAccountSummary",
            "<SummaryMap><entry><key>AccountMFAEnabled</key><value>1</value></entry><entry><key>Users</key><value>27</value></entry></SummaryMap>",
        )
    });
    let summary = services.account_summary().await.unwrap();
    assert_eq!(summary["AccountMFAEnabled"], 1);
    assert_eq!(summary.len(), 2);
    let asked = last(&fake);
    assert_eq!(
        (asked.method.as_str(), asked.host.as_str()),
        ("POST", "iam.amazonaws.com")
    );
    assert_eq!(asked.body, "Action=GetAccountSummary&Version=2010-05-08");
    assert_eq!(
        signed_for(&asked),
        ("us-east-1".to_owned(), "iam".to_owned())
    );
}

#[tokio::test]
async fn credential_reports() {
    for (state, progress) in [
        ("STARTED", ReportProgress::InProgress),
        ("INPROGRESS", ReportProgress::InProgress),
        ("COMPLETE", ReportProgress::Complete),
    ] {
        let (services, _) = services(move |_| {
            iam(
                "GenerateCredentialReport",
                &format!("<State>{state}</State>"),
            )
        });
        assert_eq!(services.generate_credential_report().await, Ok(progress));
    }
    let csv = "user,arn,mfa_active\n<root_account>,arn:aws:iam::111122223333:root,true\n";
    let content = base64::engine::general_purpose::STANDARD.encode(csv);
    let (services_, _) = services(move |_| {
        iam(
            "GetCredentialReport",
            &format!(
                "<Content>{}\n{}</Content><GeneratedTime>2026-01-01T00:00:00Z</GeneratedTime><ReportFormat>text/csv</ReportFormat>",
                &content[..20],
                &content[20..]
            ),
        )
    });
    assert_eq!(
        services_.credential_report().await,
        Ok(Some(CredentialReport {
            text: csv.to_owned(),
            generated_at: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        }))
    );
    for code in ["ReportNotPresent", "ReportInProgress", "ReportExpired"] {
        let (services, _) = services(move |_| query_error(410, code));
        assert_eq!(services.credential_report().await, Ok(None), "{code}");
    }
    let (denied, _) = services(|_| query_error(403, "AccessDenied"));
    assert_eq!(
        denied.credential_report().await,
        Err(CallError::AccessDenied {
            operation: Operation::GetCredentialReport
        })
    );
}

#[tokio::test]
async fn virtual_mfa_devices_page_by_page() {
    let (services, fake) = services(|asked| {
        let device = |name: &str, user: &str| {
            format!(
                "<member><SerialNumber>arn:aws:iam::111122223333:mfa/{name}</SerialNumber><EnableDate>2026-01-01T00:00:00Z</EnableDate>{user}</member>"
            )
        };
        let root = "<User><Arn>arn:aws:iam::111122223333:root</Arn></User>";
        let result = match asked.body.contains("Marker=next%2B1") {
            true => format!(
                "<IsTruncated>false</IsTruncated><VirtualMFADevices>{}</VirtualMFADevices>",
                device("b", "")
            ),
            false => format!(
                "<IsTruncated>true</IsTruncated><Marker>next+1</Marker><VirtualMFADevices>{}</VirtualMFADevices>",
                device("root-account-mfa-device", root)
            ),
        };
        iam("ListVirtualMFADevices", &result)
    });
    let first = services.virtual_mfa_devices(None).await.unwrap();
    assert_eq!(
        first.entries,
        [VirtualMfaDevice {
            serial_number: "arn:aws:iam::111122223333:mfa/root-account-mfa-device".to_owned(),
            user_arn: Some("arn:aws:iam::111122223333:root".to_owned()),
        }]
    );
    let second = services.virtual_mfa_devices(first.next).await.unwrap();
    assert_eq!(second.entries[0].user_arn, None);
    assert_eq!(second.next, None);
    assert!(last(&fake).body.contains("AssignmentStatus=Assigned"));
}

const VOLUME: &str = "<item><volumeId>vol-1</volumeId><size>80</size><snapshotId/><availabilityZone>eu-west-1a</availabilityZone><status>in-use</status><createTime>2026-01-01T00:00:00.000Z</createTime><attachmentSet><item><volumeId>vol-1</volumeId><instanceId>i-1</instanceId><device>/dev/sdh</device><status>attached</status><deleteOnTermination>true</deleteOnTermination></item></attachmentSet><volumeType>gp3</volumeType><encrypted>true</encrypted><kmsKeyId>arn:aws:kms:eu-west-1:111122223333:key/1</kmsKeyId><tagSet><item><key>team</key><value>web</value></item><item><key>empty</key><value/></item></tagSet></item>";

fn described(items: &str, token: &str) -> Answer {
    Answer::new(
        200,
        format!(
            "<DescribeVolumesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r</requestId><volumeSet>{items}</volumeSet>{token}</DescribeVolumesResponse>"
        ),
    )
}

#[tokio::test]
async fn volumes_page_by_page() {
    let (services, fake) = services(|asked| match asked.body.contains("NextToken=t") {
        false => described(VOLUME, "<nextToken>t</nextToken>"),
        true => described(
            "<item><volumeId>vol-2</volumeId><status>available</status><encrypted>false</encrypted></item>",
            "",
        ),
    });
    let first = services.volumes("eu-west-1", None).await.unwrap();
    assert_eq!(
        first.entries,
        [Volume {
            id: "vol-1".to_owned(),
            region: "eu-west-1".to_owned(),
            availability_zone: Some("eu-west-1a".to_owned()),
            encrypted: true,
            kms_key: Some("arn:aws:kms:eu-west-1:111122223333:key/1".to_owned()),
            state: "in-use".to_owned(),
            created: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            size: Some(80),
            volume_type: Some("gp3".to_owned()),
            snapshot: None,
            attachments: vec![VolumeAttachment {
                instance: "i-1".to_owned(),
                device: Some("/dev/sdh".to_owned()),
                state: Some("attached".to_owned()),
                delete_on_termination: true,
            }],
            tags: BTreeMap::from([
                ("empty".to_owned(), String::new()),
                ("team".to_owned(), "web".to_owned())
            ]),
        }]
    );
    let asked = last(&fake);
    assert_eq!(asked.host, "ec2.eu-west-1.amazonaws.com");
    assert_eq!(
        asked.body,
        "Action=DescribeVolumes&Version=2016-11-15&MaxResults=500"
    );
    assert_eq!(
        signed_for(&asked),
        ("eu-west-1".to_owned(), "ec2".to_owned())
    );
    let second = services.volumes("eu-west-1", first.next).await.unwrap();
    assert!(!second.entries[0].encrypted);
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn one_volume_or_none() {
    let (there, fake) = services(|_| described(VOLUME, ""));
    let volume = there.volume("eu-west-1", "vol-1").await.unwrap();
    assert_eq!(volume.map(|volume| volume.id), Some("vol-1".to_owned()));
    assert!(last(&fake).body.ends_with("&VolumeId.1=vol-1"));
    let ec2_error = |status, code: &str| {
        Answer::new(
            status,
            format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>because</Message></Error></Errors><RequestID>r</RequestID></Response>"
            ),
        )
    };
    let gone = ec2_error(400, "InvalidVolume.NotFound");
    let (services_, _) = services(move |_| gone.clone());
    assert_eq!(services_.volume("eu-west-1", "vol-1").await, Ok(None));
    let operation = Operation::DescribeVolumes;
    for (answer, meaning) in [
        (
            ec2_error(403, "UnauthorizedOperation"),
            CallError::AccessDenied { operation },
        ),
        (
            ec2_error(503, "RequestLimitExceeded"),
            CallError::Throttled { operation },
        ),
        (
            ec2_error(401, "AuthFailure"),
            Hopeless::WrongCredentials {
                detail: "401 AuthFailure because".to_owned(),
            }
            .into(),
        ),
    ] {
        let (services, _) = services(move |_| answer.clone());
        assert_eq!(services.volumes("eu-west-1", None).await, Err(meaning));
    }
}

#[tokio::test]
async fn answers_that_are_not_what_was_asked_for() {
    let unsaid = "<item><volumeId>vol-2</volumeId><status>available</status></item>";
    let large = format!("<DescribeVolumesResponse>{}", "x".repeat(17 << 20));
    for (answer, passing) in [
        // Whether it is encrypted is never guessed.
        (described(unsaid, ""), false),
        (Answer::new(200, "<html>sign in</html>"), false),
        (Answer::new(200, "<GetCallerIdentityResponse/>"), false),
        (
            Answer::new(200, "<DescribeVolumesResponse><volumeSet>"),
            true,
        ),
        (Answer::new(200, ""), true),
        (Answer::new(200, large), true),
        (Answer::new(500, "oops"), true),
    ] {
        let shown: String = answer.body.chars().take(60).collect();
        let (services, _) = services(move |_| answer.clone());
        let error = services.volumes("eu-west-1", None).await.unwrap_err();
        assert_eq!(error.is_passing(), passing, "{shown}: {error}");
    }
}
