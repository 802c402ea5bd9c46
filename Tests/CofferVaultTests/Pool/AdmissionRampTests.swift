import CofferCore
import CofferVault
import Testing

@Suite struct RateMeterTests {
    /// Counts `rate` events a second, evenly, from one second to another.
    private func count(_ meter: inout RateMeter, rate: Double, from start: Double, to end: Double) {
        for index in 0..<Int(rate * (end - start)) { meter.count(at: .at(start + Double(index) / rate)) }
    }

    @Test(arguments: [1.0, 2.5, 29, 30, 31, 300]) func measuresASteadyRate(seconds: Double) {
        var meter = RateMeter()
        count(&meter, rate: 100, from: 0, to: seconds)
        #expect((96...104).contains(meter.rate(at: .at(seconds))))
    }

    @Test func forgetsWhatIsHalfAMinuteAgo() {
        var meter = RateMeter()
        count(&meter, rate: 500, from: 0, to: 20)
        count(&meter, rate: 10, from: 20, to: 51)
        #expect((9...11).contains(meter.rate(at: .at(51))))
        #expect(meter.rate(at: .at(90)) == 0)
    }

    @Test func timeThatItStandsStillIsNoTime() {
        var meter = RateMeter()
        count(&meter, rate: 100, from: 0, to: 10)
        meter.stop(at: .at(10))
        meter.stop(at: .at(500))
        count(&meter, rate: 1_000, from: 600, to: 610)
        #expect((96...104).contains(meter.rate(at: .at(3_600))))
        meter.resume(at: .at(3_600))
        count(&meter, rate: 100, from: 3_600, to: 3_610)
        #expect((96...104).contains(meter.rate(at: .at(3_610))))
    }

    @Test func saysNothingTooEarly() {
        var meter = RateMeter()
        #expect(meter.rate(at: .at(5)) == 0)
        meter.count(at: .at(5))
        #expect(meter.rate(at: .at(5.05)) == 0)
        #expect(meter.rate(at: .at(6)) == 1)
    }
}

@Suite struct AdmissionRampTests {
    /// After a minute of 100 calls a second and an hour of outage.
    private func recovered(limits: AdmissionRamp.Limits = AdmissionRamp.Limits()) -> AdmissionRamp {
        var ramp = AdmissionRamp(limits: limits)
        for index in 0..<6_000 { ramp.noteBegin(at: .at(Double(index) / 100)) }
        ramp.pause(at: .at(60))
        ramp.recover(at: .at(3_660))
        return ramp
    }

    /// Begins as many calls as it may, looking every millisecond; the most in any second.
    private func peak(_ ramp: inout AdmissionRamp, from start: Double, seconds: Int) -> Int {
        var begun: [Double] = []
        for step in 0..<seconds * 1_000 {
            let now = start + Double(step) / 1_000
            while begun.count < 1_000_000, ramp.mayBegin(at: .at(now)) {
                ramp.noteBegin(at: .at(now))
                begun.append(now)
            }
        }
        var (first, most) = (0, 0)
        for (index, time) in begun.enumerated() {
            while begun[first] <= time - 1 { first += 1 }
            most = max(most, index - first + 1)
        }
        return most
    }

    @Test func asARuleOnlyTheNumberCounts() {
        var ramp = AdmissionRamp()
        #expect(ramp.limit == 64)
        for _ in 0..<10_000 {
            #expect(ramp.mayBegin(at: .at(0)) == true)
            ramp.noteBegin(at: .at(0))
        }
    }

    @Test func theNumberGrowsFromAFewWithEachAnswer() {
        var ramp = recovered()
        #expect(ramp.limit == 4)
        for expected in 5...64 {
            ramp.noteAnswer()
            #expect(ramp.limit == expected)
        }
        ramp.noteAnswer()
        #expect(ramp.limit == 64)
    }

    @Test func neverMoreThanTheMaximumIsAFew() {
        var limits = AdmissionRamp.Limits()
        limits.maximum = 2
        #expect(recovered(limits: limits).limit == 2)
    }

    @Test func theRateStaysBelowTwiceWhatItWas() {
        var ramp = recovered()
        let peak = peak(&ramp, from: 3_660, seconds: 60)
        #expect((150...200).contains(peak))
        #expect(ramp.isRecovering(at: .at(3_719.999)))
    }

    @Test func whoWasIdleMayStartSlowly() {
        var ramp = AdmissionRamp()
        ramp.pause(at: .at(10))
        ramp.recover(at: .at(100))
        #expect((18...23).contains(peak(&ramp, from: 100, seconds: 20)))
    }

    @Test func aNeedThatStaysIsMetInTheEnd() {
        var ramp = recovered()
        _ = peak(&ramp, from: 3_660, seconds: 121)
        #expect(peak(&ramp, from: 3_781, seconds: 40) > 1_000)
    }

    @Test func itIsOverWhenNobodyHadToWait() {
        var ramp = recovered()
        #expect(ramp.mayBegin(at: .at(3_660)) == true)
        #expect(ramp.isRecovering(at: .at(3_664.9)))
        #expect(!ramp.isRecovering(at: .at(3_665)))
        for _ in 0..<1_000 {
            #expect(ramp.mayBegin(at: .at(3_665)) == true)
            ramp.noteBegin(at: .at(3_665))
        }
    }

    @Test func itIsNotBeforeThoseAreBackWhoWereToldWhen() {
        var ramp = AdmissionRamp()
        for index in 0..<6_000 { ramp.noteBegin(at: .at(Double(index) / 100)) }
        ramp.pause(at: .at(60))
        ramp.recover(at: .at(70), lastReturn: .at(91))
        #expect(ramp.mayBegin(at: .at(70)) == true)
        #expect((150...200).contains(peak(&ramp, from: 90, seconds: 3)))
        #expect(ramp.isRecovering(at: .at(95.9)))
        #expect(!ramp.isRecovering(at: .at(99)))
    }

    @Test func itSaysWhenTheNextOneMayBegin() {
        var ramp = recovered()
        while ramp.mayBegin(at: .at(3_661)) { ramp.noteBegin(at: .at(3_661)) }
        let next = ramp.nextBegin(after: .at(3_661))
        #expect(next > .at(3_661) && next < .at(3_661.01))
        #expect(ramp.mayBegin(at: BootInstant(nanoseconds: next.nanoseconds - 1_000)) == false)
        #expect(ramp.mayBegin(at: next) == true)
    }

    /// Each outage is met with the rate before the first one, not with that of
    /// the recovery before it.
    @Test func oneOutageAfterAnotherDoesNotRaiseTheRate() {
        var ramp = recovered()
        var start = 3_660.0
        for _ in 0..<6 {
            #expect(peak(&ramp, from: start, seconds: 20) <= 200)
            ramp.pause(at: .at(start + 20))
            ramp.recover(at: .at(start + 50))
            start += 50
        }
    }
}
