"""Requests as other tools make them: their own shapes, with made-up people."""

from typing import Any

HUBSPOT: dict[str, Any] = {
    "submittedAt": "1795944600000",
    "fields": [
        {"objectTypeId": "0-1", "name": "email", "value": "ada@engines.example"},
        {"objectTypeId": "0-1", "name": "firstname", "value": "Ada"},
        {"objectTypeId": "0-1", "name": "lastname", "value": "Byron"},
        {"objectTypeId": "0-1", "name": "jobtitle", "value": "VP Sales"},
        {"objectTypeId": "0-2", "name": "name", "value": "Engines"},
        {"objectTypeId": "0-2", "name": "numberofemployees", "value": "200"},
        {"objectTypeId": "0-1", "name": "country", "value": "Germany"},
        {"objectTypeId": "0-1", "name": "favourite_engine", "value": "difference"},
        {"objectTypeId": "0-1", "name": "phone", "value": ""},
    ],
    "context": {
        "hutk": "60c2ccdfe4892f0fa0593940b12c11aa",
        "pageUri": "https://www.engines.example/demo?utm_source=linkedin&utm_medium=paidsocial",
        "pageName": "Book a demo",
        "ipAddress": "203.0.113.9",
    },
    "legalConsentOptions": {
        "consent": {
            "consentToProcess": True,
            "text": "I agree to allow Engines to store and process my personal data.",
            "communications": [
                {"value": True, "subscriptionTypeId": 999, "text": "Tell me what is new."},
                {"value": False, "subscriptionTypeId": 777, "text": "Call me."},
            ],
        }
    },
    "skipValidation": True,
}
"""A Forms v3 submission, as ``api.hsforms.com/submissions/v3/integration/submit`` takes it."""

HUBSPOT_INTEREST: dict[str, Any] = {
    "fields": [{"name": "email", "value": "joan@engines.example"}],
    "context": {"pageUri": "https://www.engines.example/paper", "pageName": "Paper"},
    "legalConsentOptions": {
        "legitimateInterest": {
            "value": True,
            "subscriptionTypeId": 999,
            "legalBasis": "LEAD",
            "text": "We write to people who asked for our paper.",
        }
    },
}

SALESFORCE: dict[str, str] = {
    "captcha_settings": '{"keyname":"site","fallback":"true","orgId":"00D5e0000019xyz","ts":""}',
    "oid": "00D5e0000019xyz",
    "retURL": "https://www.engines.example/thanks?from=form",
    "debug": "1",
    "debugEmail": "admin@engines.example",
    "first_name": "Ada",
    "last_name": "Byron",
    "email": "ada@engines.example",
    "company": "Engines",
    "title": "VP Sales",
    "city": "Köln",
    "state": "NRW",
    "country": "Germany",
    "employees": "200",
    "URL": "www.engines.example",
    "lead_source": "Partner Referral",
    "description": "Two engines, please.",
    "emailOptOut": "1",
    "00N5e00000AbCdE": "5000",
    "00N5e00000FgHiJ": "difference",
    "submit": "Submit Query",
}
"""The inputs of a generated web-to-lead form."""

TYPEFORM: dict[str, Any] = {
    "event_id": "01HVEXAMPLE0000000000000000",
    "event_type": "form_response",
    "form_response": {
        "form_id": "lT4Z3j",
        "token": "a3a12ec67a1365927098a606107fac15",
        "landed_at": "2026-11-23T09:28:00Z",
        "submitted_at": "2026-11-23T09:29:12Z",
        "hidden": {"utm_source": "linkedin", "utm_campaign": "spring"},
        "calculated": {"score": 9},
        "variables": [{"key": "score", "type": "number", "number": 9}],
        "definition": {
            "id": "lT4Z3j",
            "title": "Talk to us",
            "fields": [
                {"id": "DlXFaesGBpoF", "title": "What is your first name?", "type": "short_text",
                 "ref": "6e1a3a6c-0000-4b1e-8a5b-000000000001"},
                {"id": "SMEUb7VJz92Q", "title": "And your surname?", "type": "short_text",
                 "ref": "6e1a3a6c-0000-4b1e-8a5b-000000000002"},
                {"id": "JwWggjAKtOkA", "title": "Where can we reach you?", "type": "email",
                 "ref": "6e1a3a6c-0000-4b1e-8a5b-000000000003"},
                {"id": "KoJxDM3c6x8h", "title": "Role", "type": "short_text", "ref": "job_title"},
                {"id": "PNe8ZKBK8C2Q", "title": "Company size", "type": "multiple_choice",
                 "ref": "6e1a3a6c-0000-4b1e-8a5b-000000000005"},
                {"id": "NRsxU591jIW9", "title": "Which engines interest you?",
                 "type": "multiple_choice", "allow_multiple_selections": True,
                 "ref": "6e1a3a6c-0000-4b1e-8a5b-000000000006"},
            ],
        },
        "answers": [
            {"type": "text", "text": "Ada",
             "field": {"id": "DlXFaesGBpoF", "type": "short_text",
                       "ref": "6e1a3a6c-0000-4b1e-8a5b-000000000001"}},
            {"type": "text", "text": "Byron",
             "field": {"id": "SMEUb7VJz92Q", "type": "short_text",
                       "ref": "6e1a3a6c-0000-4b1e-8a5b-000000000002"}},
            {"type": "email", "email": "ada@engines.example",
             "field": {"id": "JwWggjAKtOkA", "type": "email",
                       "ref": "6e1a3a6c-0000-4b1e-8a5b-000000000003"}},
            {"type": "text", "text": "VP Sales",
             "field": {"id": "KoJxDM3c6x8h", "type": "short_text", "ref": "job_title"}},
            {"type": "choice", "choice": {"id": "x", "label": "51-200", "ref": "r"},
             "field": {"id": "PNe8ZKBK8C2Q", "type": "multiple_choice",
                       "ref": "6e1a3a6c-0000-4b1e-8a5b-000000000005"}},
            {"type": "choices", "choices": {"ids": ["a", "b"],
                                            "labels": ["difference", "analytical"]},
             "field": {"id": "NRsxU591jIW9", "type": "multiple_choice",
                       "ref": "6e1a3a6c-0000-4b1e-8a5b-000000000006"}},
        ],
    },
}  # fmt: skip
"""A ``form_response`` webhook."""

META: dict[str, Any] = {
    "object": "page",
    "entry": [
        {
            "id": "153125381133",
            "time": 1795944600,
            "changes": [
                {
                    "field": "leadgen",
                    "value": {
                        "ad_id": "120210000000000001",
                        "form_id": "1500000000000001",
                        "leadgen_id": "2900000000000001",
                        "created_time": 1795944599,
                        "page_id": "153125381133",
                        "adgroup_id": "120210000000000002",
                    },
                }
            ],
        }
    ],
}
"""A leadgen webhook: ids, and nothing else."""

META_FETCHED: dict[str, Any] = {
    "object": "page",
    "entry": [
        {
            "id": "153125381133",
            "time": 1795944600,
            "changes": [
                {
                    "field": "leadgen",
                    "value": {
                        **META["entry"][0]["changes"][0]["value"],
                        "field_data": [
                            {"name": "email", "values": ["ada@engines.example"]},
                            {"name": "full_name", "values": ["Ada Byron"]},
                            {"name": "company_name", "values": ["Engines"]},
                            {"name": "which_engine?", "values": ["difference"]},
                        ],
                    },
                }
            ],
        }
    ],
}
"""The same with the answers, as a tool that has fetched them forwards it."""
