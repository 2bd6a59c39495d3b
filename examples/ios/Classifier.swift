import Foundation
import TensorFlowLite

/// A .tflite file of the app's bundle, asked one sample at a time. Not for two threads at once.
final class Classifier {
  private let interpreter: Interpreter
  private let labels: [String]

  init(file: String, labels: [String]) throws {
    guard let path = Bundle.main.path(forResource: file, ofType: "tflite") else { throw CocoaError(.fileNoSuchFile) }
    self.labels = labels
    interpreter = try Interpreter(modelPath: path)
    try interpreter.allocateTensors()
  }

  /// The label and its probability; pixels row by row, as the model's card says.
  func classify(_ pixels: [Float32]) throws -> (label: String, probability: Float32) {
    try interpreter.copy(pixels.withUnsafeBufferPointer { Data(buffer: $0) }, toInputAt: 0)
    try interpreter.invoke()
    let probabilities = try interpreter.output(at: 0).data.withUnsafeBytes { Array($0.bindMemory(to: Float32.self)) }
    let best = probabilities.indices.max { probabilities[$0] < probabilities[$1] }!
    return (labels[best], probabilities[best])
  }
}
