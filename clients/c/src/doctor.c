/* What the daemon's doctor found. An examination's handle is its decoded message. */
#include "results.h"

static const Coffer__V1__VaultExamination *examined(const coffer_examination *examination) {
    return (const Coffer__V1__VaultExamination *)(const void *)examination;
}

/* NULL where there is no such step. */
static const Coffer__V1__DoctorStep *step_message(
    const coffer_examination *examination, size_t index) {
    if (index >= coffer_examination_step_count(examination)) return NULL;
    return examined(examination)->steps[index];
}

size_t coffer_doctor_count(const coffer_doctor_report *report) {
    return report == NULL ? 0 : report->message->n_vaults;
}

const coffer_examination *coffer_doctor_examination(
    const coffer_doctor_report *report, size_t index) {
    if (index >= coffer_doctor_count(report)) return NULL;
    return (const coffer_examination *)(const void *)report->message->vaults[index];
}

void coffer_doctor_free(coffer_doctor_report *report) {
    coffer_result_free(report);
}

const char *coffer_examination_name(const coffer_examination *examination) {
    return examination == NULL ? NULL : examined(examination)->name;
}

const char *coffer_examination_kind(const coffer_examination *examination) {
    return examination == NULL ? NULL : examined(examination)->kind;
}

size_t coffer_examination_step_count(const coffer_examination *examination) {
    return examination == NULL ? 0 : examined(examination)->n_steps;
}

coffer_action coffer_step_action(const coffer_examination *examination, size_t index) {
    const Coffer__V1__DoctorStep *step = step_message(examination, index);
    if (step == NULL || step->action > COFFER__V1__DOCTOR_STEP__ACTION__ACTION_DELETE) {
        return COFFER_ACTION_UNSPECIFIED;
    }
    return (coffer_action)step->action;
}

coffer_status coffer_step_status(const coffer_examination *examination, size_t index) {
    const Coffer__V1__DoctorStep *step = step_message(examination, index);
    return step == NULL ? COFFER_OK : coffer_status_from_wire(step->status);
}

bool coffer_step_skipped(const coffer_examination *examination, size_t index) {
    const Coffer__V1__DoctorStep *step = step_message(examination, index);
    return step == NULL ? false : step->skipped != 0;
}

uint64_t coffer_step_duration_us(const coffer_examination *examination, size_t index) {
    const Coffer__V1__DoctorStep *step = step_message(examination, index);
    return step == NULL ? 0 : step->duration_us;
}

coffer_reason coffer_step_reason(const coffer_examination *examination, size_t index) {
    const Coffer__V1__DoctorStep *step = step_message(examination, index);
    return step == NULL || step->failure == NULL ? COFFER_REASON_NONE
                                                 : (coffer_reason)step->failure->reason;
}

const char *coffer_step_message(const coffer_examination *examination, size_t index) {
    const Coffer__V1__DoctorStep *step = step_message(examination, index);
    if (step == NULL) return NULL;
    return step->failure == NULL ? "" : step->failure->message;
}

const char *coffer_step_advice(const coffer_examination *examination, size_t index) {
    const Coffer__V1__DoctorStep *step = step_message(examination, index);
    return step == NULL ? NULL : step->advice;
}
