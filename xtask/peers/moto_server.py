"""Starts moto on 127.0.0.1 with what it lacks: the root user of an account.

    python moto_server.py PORT

moto knows no root user: the account summary says constant zeroes, the credential report has no
`<root_account>` row, and the organization's features cannot be listed. A test gives an account a root
user, in one request that replaces what was there (every member is optional):

    PUT /portcullis-tests/root-user/123456789012
    {
      "summary": {"AccountMFAEnabled": 1, "AccountAccessKeysPresent": 0, "AccountPasswordPresent": null},
      "report": {"password_enabled": "true", "mfa_active": "false"},
      "report_generated": "2026-01-31T00:00:00Z",
      "virtual_mfa": true,
      "organizations_features": ["RootCredentialsManagement", "RootSessions"]
    }

and takes it away with DELETE. `summary` changes members of GetAccountSummary's map, null removes one;
`report` adds the row, and changes columns of a root user with a password and nothing else;
`report_generated` is the report's age (now, if not given: moto says 2015); `virtual_mfa` lists the root
user's virtual device. Sources may contradict each other: real ones do.
"""

import datetime
import http
import json
import re
import sys

import moto.server
from moto.core.responses import ActionResult
from moto.iam import models, responses
from moto.organizations.models import FakeServiceAccess

ROUTE = re.compile(r"/portcullis-tests/root-user/([0-9]{12})")
MEMBERS = {"summary", "report", "report_generated", "virtual_mfa", "organizations_features"}

# Columns that are not in here are N/A, as in a report of AWS's.
ROOT_ROW = {
    "user": "<root_account>",
    "user_creation_time": "2020-01-01T00:00:00+00:00",
    "password_enabled": "true",
    "password_last_used": "no_information",
    "password_last_changed": "2020-01-01T00:00:00+00:00",
    "password_next_rotation": "not_supported",
    "mfa_active": "false",
    "access_key_1_active": "false",
    "access_key_2_active": "false",
    "cert_1_active": "false",
    "cert_2_active": "false",
}

# By account. A request's thread reads what another has put: each value is replaced as a whole.
root_users: dict[str, dict] = {}


def root_user(account: str) -> dict:
    return root_users.get(account, {})


def add_to_summary() -> None:
    inner = models.AccountSummary.summary_map.fget

    def summary_map(self) -> dict:
        summary = inner(self) | root_user(self._iam_backend.account_id).get("summary", {})
        return {name: value for name, value in summary.items() if value is not None}

    models.AccountSummary.summary_map = property(summary_map)


def add_to_report() -> None:
    report_inner = models.IAMBackend.get_credential_report
    answer_inner = responses.IamResponse.get_credential_report

    def report(self) -> str:
        header, _, users = report_inner(self).partition("\n")
        columns = root_user(self.account_id).get("report")
        if columns is None:
            return f"{header}\n{users}"
        row = ROOT_ROW | {"arn": f"arn:aws:iam::{self.account_id}:root"} | columns
        root = ",".join(str(row.get(column, "N/A")) for column in header.split(","))
        return f"{header}\n{root}\n{users}"

    def answer(self) -> ActionResult:
        answer = answer_inner(self)
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer.result["GeneratedTime"] = root_user(self.current_account).get("report_generated", now)
        return answer

    models.IAMBackend.get_credential_report = report
    responses.IamResponse.get_credential_report = answer


def add_virtual_device() -> None:
    inner = responses.IamResponse.list_virtual_mfa_devices

    def devices(self) -> ActionResult:
        answer = inner(self)
        account = self.current_account
        if root_user(account).get("virtual_mfa") and self._get_param("AssignmentStatus") != "Unassigned":
            device = {
                "SerialNumber": f"arn:aws:iam::{account}:mfa/root-account-mfa-device",
                "EnableDate": "2020-01-01T00:00:00Z",
                # A root user has no name: only the id of the account and its ARN.
                "User": {
                    "UserId": account,
                    "Arn": f"arn:aws:iam::{account}:root",
                    "CreateDate": "2020-01-01T00:00:00Z",
                },
            }
            answer.result["VirtualMFADevices"] = [device, *answer.result["VirtualMFADevices"]]
        return answer

    responses.IamResponse.list_virtual_mfa_devices = devices


def add_organizations_features() -> None:
    def features(self) -> ActionResult:
        enabled = root_user(self.current_account).get("organizations_features", [])
        return ActionResult({"OrganizationId": "o-portcullis1", "EnabledFeatures": enabled})

    responses.IamResponse.list_organizations_features = features
    # EnableAWSServiceAccess refuses it otherwise.
    FakeServiceAccess.TRUSTED_SERVICES.append("iam.amazonaws.com")


class Application(moto.server.DomainDispatcherApplication):
    """moto's, with one route before it."""

    def __call__(self, environ, start_response):
        route = ROUTE.fullmatch(environ.get("PATH_INFO", ""))
        if not route:
            return super().__call__(environ, start_response)
        try:
            status, text = self.set(route[1], environ), ""
        except ValueError as error:
            status, text = http.HTTPStatus.BAD_REQUEST, f"{error}\n"
        body = text.encode()
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    @staticmethod
    def set(account: str, environ) -> http.HTTPStatus:
        match environ["REQUEST_METHOD"]:
            case "PUT":
                length = int(environ.get("CONTENT_LENGTH") or 0)
                state = json.loads(environ["wsgi.input"].read(length))
                if unknown := set(state) - MEMBERS:
                    raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
                root_users[account] = state
            case "DELETE":
                root_users.pop(account, None)
            case _:
                return http.HTTPStatus.METHOD_NOT_ALLOWED
        return http.HTTPStatus.NO_CONTENT


if __name__ == "__main__":
    add_to_summary()
    add_to_report()
    add_virtual_device()
    add_organizations_features()
    moto.server.DomainDispatcherApplication = Application
    moto.server.main(["-H", "127.0.0.1", "-p", sys.argv[1]])
