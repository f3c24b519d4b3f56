package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The model that a command loads, and the dtype of its weights. */
public final class ModelOptions extends OptionGroup {

    /** Hugging Face directory. */
    @Option(names = "--model_name_or_path", description = "Hugging Face model directory.")
    @Nullable
    Path modelNameOrPath;

    /** Storage of weights and activations; null: bf16 on {@code cuda}, f32 on {@code cpu}. */
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

    /** The directory. Throws if none is given. */
    public Path directory() {
        return required("model_name_or_path", modelNameOrPath);
    }

    /** The storage of weights on this device. */
    public DType storage(Device device) {
        return storage(dtype == null ? null : dtype.storage(), device);
    }

    /** As {@link #storage(Device)}, for a requested dtype or null. */
    static DType storage(@Nullable DType asked, Device device) {
        if (asked != null) {
            return asked;
        }
        return device.name().equals("cpu") ? DType.F32 : DType.BF16;
    }
}
