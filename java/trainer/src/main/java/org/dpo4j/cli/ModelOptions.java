package org.dpo4j.cli;

import java.nio.file.Path;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.train.Precision;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which model, where, and how its weights are stored. */
final class ModelOptions {
    @Option(names = "--model_name_or_path", required = true, description = "Hugging Face model directory.")
    Path directory;

    @Option(names = "--device", description = "auto, cuda or cpu; default ${DEFAULT-VALUE}.")
    private String device = "auto";

    @Option(
            names = "--dtype",
            description = "Storage of weights: ${COMPLETION-CANDIDATES}; default bfloat16 on cuda, float32 on cpu.")
    private @Nullable Precision dtype;

    /** The device asked for. Where cuda cannot be had, {@code auto} says why on standard error and takes the cpu. */
    Device open() {
        return Devices.open(device, reason -> System.err.println("dpo4j: " + reason));
    }

    /** The model asked for, on that device. */
    Model load(Device opened) {
        return Model.load(directory, opened, storage(opened));
    }

    private DType storage(Device opened) {
        if (dtype == null) {
            return opened.supports(DType.BF16) ? DType.BF16 : DType.F32;
        }
        if (!opened.supports(dtype.storage())) {
            throw new Dpo4jException(
                    "dtype " + dtype + " is not supported on " + opened.name() + "; use float32, or device cuda");
        }
        return dtype.storage();
    }
}
