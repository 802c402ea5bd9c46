"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.Call = void 0;
/** How often a call is made again that was not carried out, or changes nothing. */
const MAXIMUM_REPEATS = 3;
/** A call from its beginning to its end, over as many connections as it takes. */
class Call {
    method;
    request;
    deadline;
    mayWrite;
    sink;
    /** Its id on the connection that has it. */
    id = 0;
    /** The daemon may have got it, or a part of it. */
    isSent = false;
    isOver = false;
    /** Where its frame stands in what is still to be sent, and how long that is. */
    frameStart = 0;
    frameBytes = 0;
    /** Ends listening to the caller's signal. */
    stopListening;
    repeats = 0;
    constructor(method, request, 
    /** By `performance.now()`. */
    deadline, 
    /** It changes something. */
    mayWrite, sink) {
        this.method = method;
        this.request = request;
        this.deadline = deadline;
        this.mayWrite = mayWrite;
        this.sink = sink;
    }
    /** Whether the call may be made once more, and counts that it is. */
    repeat(wasCarriedOut) {
        if (this.repeats >= MAXIMUM_REPEATS || (wasCarriedOut === "perhaps" && this.mayWrite))
            return false;
        if (this.sink.restart && !this.sink.restart())
            return false;
        this.repeats += 1;
        this.isSent = false;
        return true;
    }
    succeed(response) {
        if (!this.end())
            return;
        this.sink.last(response);
    }
    fail(error) {
        if (!this.end())
            return;
        this.sink.fail(error);
    }
    /** The call was given up; `isSent` says what may have come of it. */
    giveUp(error) { this.fail(error.of(this.isSent, this.mayWrite)); }
    listen(signal, onAbort) {
        signal.addEventListener("abort", onAbort);
        this.stopListening = () => signal.removeEventListener("abort", onAbort);
    }
    end() {
        if (this.isOver)
            return false;
        this.isOver = true;
        this.stopListening?.();
        return true;
    }
}
exports.Call = Call;
