internal import CofferCore

/// The forms in which times go over the wire. All are UTC; days are counted by
/// the civil calendar (Hinnant's algorithms), without leap seconds.
enum AWSTime {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// "20260102T030405Z".
    static func basic(_ time: WallMilliseconds) -> String {
        let seconds = Int(time / 1000)
        let (year, month, day) = civil(days: seconds / 86_400)
        let second = seconds % 86_400
        return pad(year, 4) + pad(month, 2) + pad(day, 2) + "T" + pad(second / 3600, 2) + pad(second / 60 % 60, 2)
            + pad(second % 60, 2) + "Z"
    }

    /// "2026-01-02T03:04:05Z", with a fraction or without; "+00:00" for "Z". Nil
    /// for anything else.
    static func iso8601(_ text: String) -> WallMilliseconds? {
        let text = Array(text.utf8)
        guard text.count >= 20, text[4] == dash, text[7] == dash, text[10] == UInt8(ascii: "T"),
            text[13] == colon, text[16] == colon
        else { return nil }
        var end = 19
        if text[end] == UInt8(ascii: ".") {
            end += 1
            let start = end
            while end < text.count, number(text[end..<end + 1]) != nil { end += 1 }
            guard end > start else { return nil }
        }
        let zone = text[end...]
        guard zone.elementsEqual("Z".utf8) || zone.elementsEqual("+00:00".utf8),
            let year = number(text[0..<4]), let month = number(text[5..<7]), let day = number(text[8..<10]),
            let hour = number(text[11..<13]), let minute = number(text[14..<16]), let second = number(text[17..<19])
        else { return nil }
        return time(year, month, day, hour, minute, second)
    }

    /// "Fri, 02 Jan 2026 03:04:05 GMT", as in a Date header; nil for anything else.
    static func http(_ text: String) -> WallMilliseconds? {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[5] == "GMT", let month = months.firstIndex(of: String(parts[2])),
            let day = number(parts[1].utf8), let year = number(parts[3].utf8)
        else { return nil }
        let clock = parts[4].split(separator: ":", omittingEmptySubsequences: false)
        guard clock.count == 3, let hour = number(clock[0].utf8), let minute = number(clock[1].utf8),
            let second = number(clock[2].utf8)
        else { return nil }
        return time(year, month + 1, day, hour, minute, second)
    }

    private static let dash = UInt8(ascii: "-")
    private static let colon = UInt8(ascii: ":")

    private static func pad(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// One to four digits.
    private static func number(_ digits: some Collection<UInt8>) -> Int? {
        guard (1...4).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    private static func time(
        _ year: Int, _ month: Int, _ day: Int, _ hour: Int, _ minute: Int, _ second: Int
    ) -> WallMilliseconds? {
        guard year >= 1970, (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60
        else { return nil }
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
        return WallMilliseconds(seconds) * 1000
    }

    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let era = year / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
