package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which model a command begins with, and how its weights are stored. */
public final class ModelOptions extends OptionGroup {

    /** Hugging Face directory. */
    @Option(names = "--model_name_or_path", description = "Hugging Face model directory.")
    @Nullable
    Path modelNameOrPath;

    /** Storage of weights and activations; null: bf16 where the device supports it, else f32. */
    @Option(
            names = "--dtype",
            description =
                    "Storage of weights and activations: ${COMPLETION-CANDIDATES}; default bfloat16 on cuda, float32"
                            + " on cpu.")
    @Nullable
    Precision dtype;

    /** Whether a directory is given. */
    public boolean hasDirectory() {
        return modelNameOrPath != null;
    }

    /** The directory; throws where none is given. */
    public Path directory() {
        return required("model_name_or_path", modelNameOrPath);
    }

    /** How weights are stored on this device. Throws where it does not support what is asked for. */
    public DType storage(Device device) {
        return storage(dtype == null ? null : dtype.storage(), device);
    }

    /** The same of a type that is asked for, or of null. */
    static DType storage(@Nullable DType asked, Device device) {
        if (asked == null) {
            return device.supports(DType.BF16) ? DType.BF16 : DType.F32;
        }
        if (!device.supports(asked)) {
            throw new Dpo4jException("dtype " + Precision.of(asked) + " is not supported on " + device.name()
                    + "; leave dtype (and bf16) out for float32, or use device cuda");
        }
        return asked;
    }
}
