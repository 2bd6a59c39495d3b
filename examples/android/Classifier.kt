import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel

/** A .tflite file of app/src/main/assets, asked one sample at a time. Not for two threads at once. */
class Classifier(context: Context, file: String, private val labels: List<String>) : AutoCloseable {
  private val model = CompiledModel.create(context.assets, file, CompiledModel.Options(Accelerator.CPU))
  private val inputs = model.createInputBuffers()
  private val outputs = model.createOutputBuffers()

  /** The label and its probability; pixels row by row, as the model's card says. */
  fun classify(pixels: FloatArray): Pair<String, Float> {
    inputs[0].writeFloat(pixels)
    model.run(inputs, outputs)
    val probabilities = outputs[0].readFloat()
    val best = probabilities.indices.maxBy { probabilities[it] }
    return labels[best] to probabilities[best]
  }

  override fun close() {
    (inputs + outputs).forEach { it.close() }
    model.close()
  }
}
