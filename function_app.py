"""Every way into the app, on one screen. The Functions host reads this file to learn what it may call."""

import azure.functions as func

from functions.api_appointments import api_appointments
from functions.api_approvals import api_approvals
from functions.api_audit import api_audit
from functions.api_document import with_api_document
from functions.api_environments import api_environments
from functions.api_readiness import api_readiness
from functions.api_records import api_records
from functions.api_sharing import api_sharing
from functions.api_tenant import api_tenant
from functions.api_texts import api_texts
from functions.api_versions import api_versions
from functions.appointment_messages import appointment_messages
from functions.approval_pages import approval_pages
from functions.audit_pages import audit_pages
from functions.call_events import call_events
from functions.certificate_pages import certificate_pages
from functions.environment_pages import environment_pages
from functions.health import health
from functions.history_pages import history_pages
from functions.hl7_intake import hl7_intake
from functions.home_page import home_page
from functions.notifications import notifications
from functions.onboarding_pages import onboarding_pages
from functions.organization_pages import organization_pages
from functions.patient_pages import patient_pages
from functions.poison_messages import poison_messages
from functions.provider_pages import provider_pages
from functions.published_keys import published_keys
from functions.readiness_pages import readiness_pages
from functions.record_pages import record_pages
from functions.record_setting_pages import record_setting_pages
from functions.removal_pages import removal_pages
from functions.sign_in import sign_in
from functions.sms_pages import sms_pages
from functions.static_files import static_files
from functions.ticks import ticks
from functions.unknown_pages import unknown_pages
from functions.visit_launch import visit_launch
from functions.write_backs import write_backs
from shared.settings import settings_of_this_process
from shared.telemetry import quiet_libraries
from shared.wiring import real_services

quiet_libraries()
services = real_services(settings_of_this_process())

# Anonymous for the platform, because the door of each function decides who enters; a test lists every way
# in with its guard.
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
blueprints = (
    hl7_intake(services),
    appointment_messages(services),
    notifications(services),
    ticks(services),
    visit_launch(services),
    patient_pages(services),
    provider_pages(services),
    call_events(services),
    write_backs(services),
    api_tenant(services),
    api_environments(services),
    api_approvals(services),
    api_versions(services),
    api_sharing(services),
    api_appointments(services),
    history_pages(services),
    api_readiness(services),
    readiness_pages(services),
    published_keys(services),
    record_pages(services),
    record_setting_pages(services),
    api_records(services),
    poison_messages(services),
    health(services),
    home_page(services),
    sign_in(services),
    approval_pages(services),
    organization_pages(services),
    environment_pages(services),
    removal_pages(services),
    sms_pages(services),
    certificate_pages(services),
    api_texts(services),
    audit_pages(services),
    api_audit(services),
    onboarding_pages(services),
    static_files(),
    unknown_pages(services),
)
for blueprint in with_api_document(blueprints, services):
    app.register_functions(blueprint)
