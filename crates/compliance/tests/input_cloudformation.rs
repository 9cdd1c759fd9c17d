//! CloudFormation templates.

#![expect(clippy::expect_used, reason = "tests")]

mod common;

use common::{options, read, read_with};

#[test]
fn what_a_template_leaves_out_is_what_aws_gives_a_new_bucket() {
    let template = "
AWSTemplateFormatVersion: 2010-09-09
Resources:
  Logs:
    Type: AWS::S3::Bucket
  Site:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: site.example.com
      AccessControl: PublicRead
      PublicAccessBlockConfiguration:
        BlockPublicAcls: true
      OwnershipControls:
        Rules:
          - ObjectOwnership: ObjectWriter
  Topic:
    Type: AWS::SNS::Topic
";
    assert_eq!(
        read(template),
        "logs 000000000000: policy=none acl=[] bucket=[AIPR] account=? organization=? \
         ownership=[BucketOwnerEnforced]\n\
         site.example.com 000000000000: policy=none acl=[AllUsers:READ] bucket=[A---] account=? \
         organization=? ownership=[ObjectWriter]\n"
    );
}

#[test]
fn policies_find_their_bucket_and_their_functions_are_resolved() {
    let yaml = "
Parameters:
  Env: {Type: String, Default: prod}
  Reader: {Type: String}
Mappings:
  Names: {prod: {suffix: live}}
Conditions:
  IsProd: !Equals [!Ref Env, prod]
  Never: !Not [!Condition IsProd]
Resources:
  Data:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Join ['-', [data, !FindInMap [Names, !Ref Env, suffix]]]
      PublicAccessBlockConfiguration: !If
        - IsProd
        - {IgnorePublicAcls: true}
        - !Ref AWS::NoValue
      Tags: !If [Never, [], !Ref 'AWS::NoValue']
  Gone:
    Type: AWS::S3::Bucket
    Condition: Never
  Role: {Type: 'AWS::IAM::Role'}
  DataPolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Data
      PolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Principal: {AWS: !GetAtt Role.Arn}
            Action: s3:GetObject
            Resource: !Sub '${Data.Arn}/${!aws:username}/*'
            Condition:
              StringEquals: {aws:SourceAccount: !Ref 'AWS::AccountId'}
";
    let mut options = options();
    options.owner_account = Some("111122223333".to_owned());
    assert_eq!(
        read_with(yaml, &options),
        "data-live 111122223333: policy=[1 statements] acl=[] bucket=[-I--] account=? \
         organization=? ownership=[BucketOwnerEnforced]\n"
    );
    let reading = compliance::input::read(yaml.as_bytes(), "f", &options);
    let reading = reading.expect("a template");
    let bucket = &reading.buckets[0].bucket;
    let policy = bucket.policy.present().expect("a policy");
    assert!(
        policy.text.contains("arn:aws:iam::111122223333:role/Role"),
        "{}",
        policy.text
    );
    assert!(
        policy
            .text
            .contains("arn:aws:s3:::data-live/${aws:username}/*")
    );
    assert!(
        policy
            .text
            .contains("\"aws:SourceAccount\": \"111122223333\"")
    );
}

#[test]
fn what_a_template_does_not_decide_is_named() {
    let json = r#"{"Parameters": {"Who": {"Type": "String"}, "Name": {"Type": "String"}, "Stage": {"Type": "String"}},
 "Conditions": {"Live": {"Fn::Equals": [{"Ref": "Stage"}, "live"]}},
 "Resources": {
  "B": {"Type": "AWS::S3::Bucket", "Properties": {
    "BucketName": {"Ref": "Name"},
    "PublicAccessBlockConfiguration": {"Fn::If": ["Live", {"IgnorePublicAcls": true}, {}]}}},
  "P": {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": "B"}, "PolicyDocument": {"Statement": [
    {"Effect": "Allow", "Principal": {"AWS": {"Ref": "Who"}}, "Action": "s3:*", "Resource": {"Fn::Sub": "arn:aws:s3:::${Name}/*"}}]}}},
  "Q": {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Fn::ImportValue": "x"}, "PolicyDocument": {"Statement": [
    {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}}}
 }}"#;
    assert_eq!(
        read(json),
        "name 000000000000: \
         policy=later(Resources.P.Properties.PolicyDocument.Statement[0].Principal.AWS (the parameter Who)) \
         acl=[] bucket=later(Resources.B.Properties.PublicAccessBlockConfiguration (the condition Live)) \
         account=? organization=? ownership=[BucketOwnerEnforced]\n\
         q 000000000000: policy=[1 statements] acl=? bucket=? account=? organization=? ownership=?\n"
    );
}

#[test]
fn a_parameter_that_names_a_bucket_is_one_fixed_text_everywhere() {
    let yaml = "
Parameters:
  App: {Type: String}
  Other: {Type: String}
Resources:
  Logs:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub '${App}-logs-${AWS::AccountId}'
  LogsPolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Sub '${App}-logs-${AWS::AccountId}'
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {Service: logging.s3.amazonaws.com}
            Action: s3:PutObject
            Resource: !Sub 'arn:aws:s3:::${App}-logs-${AWS::AccountId}/*'
            Condition: {ArnLike: {'aws:SourceArn': !Sub 'arn:aws:s3:::${App}-data'}}
";
    assert!(
        read(yaml).starts_with("app-logs-000000000000 000000000000: policy=[1 statements]"),
        "{}",
        read(yaml)
    );
    let other = yaml.replace("${App}-data", "${Other}-data");
    assert!(
        read(&other).contains("(the parameter Other)"),
        "{}",
        read(&other)
    );
}

#[test]
fn a_policy_written_in_json_keeps_its_own_text() {
    let json = r#"{"Resources": {
  "B": {"Type": "AWS::S3::Bucket"},
  "P": {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": "B"},
    "PolicyDocument": {"Statement":   []}}}}}"#;
    let reading = compliance::input::read(json.as_bytes(), "f", &options()).expect("a template");
    let input = &reading.buckets[0];
    assert_eq!(input.source.policy_line, Some(4));
    let policy = input.bucket.policy.present().expect("a policy");
    assert_eq!(policy.text, "{\"Statement\":   []}");
}

#[test]
fn what_only_cloudformation_expands_is_said() {
    let json = r#"{"Resources": {
  "Fn::ForEach::Buckets": ["Name", ["a", "b"], {"${Name}": {"Type": "AWS::S3::Bucket"}}],
  "M": {"Type": "Acme::S3::Bucket::MODULE"},
  "B": {"Type": "AWS::S3::Bucket", "Properties": {"Fn::Transform": {"Name": "AWS::Include"}}},
  "C": {"Type": "AWS::S3::Bucket", "Properties": {"Fn::If": ["X", {}, {}]}}}}"#;
    let out = read(json);
    assert!(
        out.contains("problem: f:2: Resources.Fn::ForEach::Buckets is expanded"),
        "{out}"
    );
    assert!(
        out.contains("problem: f:3: Resources.M is expanded"),
        "{out}"
    );
    for bucket in ["B", "C"] {
        let later =
            format!("bucket=later(Resources.{bucket}.Properties.PublicAccessBlockConfiguration)");
        assert!(out.contains(&later), "{out}");
    }
}

#[test]
fn cyclic_and_costly_functions_end() {
    let many = (0..60).fold(
        "Conditions:\n  C60: !Equals [a, a]\n".to_owned(),
        |text, at| {
            let next = format!("!Condition C{}", at + 1);
            format!("{text}  C{at}: !And [{next}, {next}, {next}]\n")
        },
    );
    let many = format!("{many}Resources:\n  X: {{Type: 'AWS::S3::Bucket', Condition: C0}}\n");
    assert!(read(&many).starts_with("x 000000000000"));

    let mut text = "Conditions:\n  A: !Condition B\n  B: !Condition A\nResources:\n  X:\n    Type: AWS::S3::Bucket\n    Condition: A\n    Properties:\n".to_owned();
    text += "      BucketName: ";
    text += &"!Select [0, [".repeat(60);
    text += "x";
    text += &"]]".repeat(60);
    assert!(read(&text).starts_with("x 000000000000"), "{}", read(&text));
}
