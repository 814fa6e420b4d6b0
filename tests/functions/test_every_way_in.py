"""Every way into the app, on one screen: adding one without choosing who guards it fails here."""

import inspect
import runpy
from pathlib import Path

import azure.functions as func
import pytest

from tests.fakes.hospital import SETTINGS, Hospital

HTTP = {
    "hl7_intake": "known_environment",
    "begin_launch": "anyone",
    "finish_launch": "anyone",
    "patient_page": "link_holder",
    "join_visit": "link_holder",
    "waiting_page": "link_holder",
    "provider_page": "in_visit",
    "provider_live": "in_visit",
    "call_events": "graph",
    "call_event_lifecycle": "graph",
    "api_pin_tenant": "caller",
    "api_show_tenant": "caller",
    "api_create_environment": "caller",
    "api_list_environments": "caller",
    "api_show_environment": "caller",
    "api_change_connection": "caller",
    "api_change_operation": "caller",
    "api_add_certificate": "caller",
    "api_submit": "caller",
    "api_check_address": "caller",
    "api_preflight": "caller",
    "api_last_check": "caller",
    "api_check_again": "caller",
    "api_remind": "caller",
    "api_finish": "caller",
    "api_approvals": "caller",
    "api_decide": "caller",
    "api_messages": "caller",
    "api_appointment": "caller",
    "api_audit": "caller",
    "api_check_readiness": "caller",
    "readiness_page": "administrator",
    "api_withdraw": "caller",
    "api_remove_environment": "caller",
    "api_remove_certificate": "caller",
    "api_effects": "caller",
    "api_history": "caller",
    "api_differences": "caller",
    "api_restore": "caller",
    "api_copy_environment": "caller",
    "api_export_environment": "caller",
    "api_import_environment": "caller",
    "api_sharing": "caller",
    "api_ask_to_share": "caller",
    "api_answer_share": "caller",
    "history_page": "administrator",
    "history_restore": "administrator",
    "copy_page": "administrator",
    "copy_make": "administrator",
    "export_environment": "administrator",
    "import_page": "administrator",
    "import_environment": "administrator",
    "sharing_page": "administrator",
    "sharing_act": "administrator",
    "api_document": "anyone",
    "api_audit_log": "caller",
    "audit_page": "watching",
    "audit_entry_page": "watching",
    "audit_file": "watching",
    "onboarding_page": "signed_in",
    "published_keys": "anyone",
    "published_keys_before": "anyone",
    "records_index": "signed_in",
    "records_page": "signed_in",
    "records_act": "signed_in",
    "records_live": "signed_in",
    "records_file": "signed_in",
    "record_fields_page": "administrator",
    "record_fields_save": "administrator",
    "record_keys_page": "administrator",
    "record_keys_renew": "administrator",
    "api_records": "caller",
    "api_signs": "caller",
    "api_compare_records": "caller",
    "api_sample_links": "caller",
    "api_keys": "caller",
    "api_make_key": "caller",
    "health_live": "anyone",
    "health_ready": "anyone",
    "sign_in": "anyone",
    "sign_in_callback": "anyone",
    "sign_out": "anyone",
    "welcome_page": "signing_up",
    "confirm_geography": "signing_up",
    "approvals_page": "signed_in",
    "approval_page": "signed_in",
    "approval_epic_sign_in": "signed_in",
    "approval_act": "signed_in",
    "approval_ask_page": "administrator",
    "approval_ask": "administrator",
    "home_page": "whoever",
    "organizations_page": "signed_in",
    "organizations_add": "administrator",
    "organizations_check": "administrator",
    "organization_page": "signed_in",
    "organization_remove_page": "administrator",
    "organization_remove": "administrator",
    "organization_section_page": "administrator",
    "organization_section_save": "administrator",
    "sms_page": "administrator",
    "sms_save": "administrator",
    "sms_environment_page": "administrator",
    "sms_environment_save": "administrator",
    "certificate_page": "administrator",
    "certificate_act": "administrator",
    "api_inspect_certificate": "caller",
    "api_preview_texts": "caller",
    "static_file": "anyone",
    "unknown_page": "anyone",
}

# Work that only Azure itself can hand over: queues and timers have no guard.
INSIDE = {
    "record_appointments",
    "send_text",
    "note_delivery",
    "observe_call",
    "tell_epic",
    "park_appointment_message",
    "park_text",
    "park_delivery_report",
    "park_call_event",
    "park_write_back",
    "dispatch_due_texts",
    "prepare_due_visits",
    "judge_visits",
    "forget_people",
    "remind_approvers",
}


def test_every_way_in_and_who_guards_it() -> None:
    functions = Hospital().app.functions
    guards = {
        name: function.guard.__name__ for name, function in functions.items() if hasattr(function, "guard")
    }

    assert guards == HTTP
    assert functions.keys() - guards.keys() == INSIDE


def test_every_way_in_is_async() -> None:
    # The host awaits only what it can see is a coroutine function.
    assert all(inspect.iscoroutinefunction(function) for function in Hospital().app.functions.values())


def test_every_handler_takes_what_the_host_hands_over_and_no_more() -> None:
    for name, function in Hospital().app.functions.items():
        assert len(inspect.signature(function).parameters) == 1, name


def test_the_deployed_app_has_exactly_these_ways_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    deployed = runpy.run_path(str(Path(__file__).parents[2] / "function_app.py"))["app"]

    assert isinstance(deployed, func.FunctionApp)
    assert {one.get_function_name() for one in deployed.get_functions()} == HTTP.keys() | INSIDE
