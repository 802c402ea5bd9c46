import CofferCodeGen
import SwiftProtobufPluginLibrary

/// `protoc --plugin=protoc-gen-coffer --coffer_opt=Side=client,Visibility=public --coffer_out=DIR …`
@main
enum ProtocGenCoffer {
    static func main() { CofferGenerator.main() }
}
