// What operators get: the messages with names in place of numbers, and errors in place of statuses.

import { CofferError, reasonName } from "./error.js";
import type { DoctorStep, HealthResponse, VaultExamination, VaultHealth as VaultHealthMessage } from "./generated/admin.js";
import type { Examination, ExaminationStep, Health, VaultHealth } from "./types.js";
import { plain } from "./wire/message.js";

const BREAKERS = ["none", "closed", "open", "half-open"] as const;
const WRITES = ["unknown", "work", "fail"] as const;
const ACTIONS = ["unknown", "store", "get", "compare", "delete"] as const;

export function healthOf({ vaults, ...rest }: HealthResponse): Health {
    return { ...plain(rest), vaults: vaults.map(vaultHealthOf) };
}

function vaultHealthOf(message: VaultHealthMessage): VaultHealth {
    const { breaker, writes, lastFailure, writeFailure, checkStatus, checkFailure, ...rest } = message;
    return {
        ...plain(rest), breaker: BREAKERS[breaker] ?? "unknown", writes: WRITES[writes] ?? "unknown",
        lastFailure: reasonName(lastFailure), writeFailure: reasonName(writeFailure),
        ...(checkStatus !== 0 && { checkError: CofferError.answered(checkStatus, checkFailure) }),
    };
}

export function examinationOf({ steps, ...rest }: VaultExamination): Examination {
    return { ...plain(rest), steps: steps.map(stepOf) };
}

function stepOf({ action, status, failure, ...rest }: DoctorStep): ExaminationStep {
    return {
        ...plain(rest), action: ACTIONS[action] ?? "unknown",
        ...(status !== 0 && { error: CofferError.answered(status, failure) }),
    };
}
