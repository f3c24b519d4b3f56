package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Adapter;
import org.dpo4j.model.CompleteModel;
import org.dpo4j.model.Model;
import org.dpo4j.model.SaveFormat;
import org.dpo4j.model.WeightCheck;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/**
 * Makes a model of an adapter and its base model: {@code W + scale B A} for each adapted matrix W, computed in float32 unless
 * {@code dtype} says otherwise, and rounded once, to the dtype of the base model's file or to {@code save_dtype}.
 */
public final class AdapterMerge {
    private AdapterMerge() {}

    /** Throws if the options name no adapter, or no directory that may be written. Loads nothing. */
    public static void check(ModelOptions model, OutputOptions output) {
        Path adapter = model.directory();
        if (Model.baseDirectory(adapter).equals(adapter)) {
            throw new Dpo4jException("model_name_or_path " + adapter
                    + " is no adapter: it has no adapter_config.json; there is nothing to merge");
        }
        if (!output.overwriteOutputDir && CompleteModel.isIn(output.directory())) {
            throw new Dpo4jException("output_dir " + output.directory()
                    + " holds a model already; choose another, or set overwrite_output_dir to replace it");
        }
        output.saveFormat();
    }

    /** Loads, merges and saves, with the tokenizer's files. Nothing is written if a weight is not finite. */
    public static void run(ModelOptions options, OutputOptions output, Device device, RunListener listener) {
        check(options, output);
        DType storage = options.dtype == null ? Precision.FLOAT32.storage() : options.dtype.storage();
        try (Model model = Model.load(options.directory(), device, storage, new LoadingReport(listener))) {
            merge(model, options.directory(), listener);
            save(model, options.directory(), output.directory(), output.saveFormat());
            listener.notice("saved the merged model in " + output.directory());
        }
    }

    /** The same in float32 and with the dtypes of the base model's files, into a directory that is not there yet. */
    public static void run(Path adapter, Path output, Device device, RunListener listener) {
        try (Model model = Model.load(adapter, device, DType.F32, new LoadingReport(listener))) {
            merge(model, adapter, listener);
            save(model, adapter, output, new OutputOptions().saveFormat());
        }
    }

    private static void merge(Model model, Path adapter, RunListener listener) {
        Adapter merged = model.adapter();
        listener.notice("merging " + (merged == null ? "" : merged.config()) + " into " + Model.baseDirectory(adapter));
        model.mergeAdapter();
        @Nullable String found = WeightCheck.firstNotFinite(model.parameters());
        if (found != null) {
            throw new Dpo4jException(adapter + ": merged, weight " + found + "; nothing is saved");
        }
    }

    private static void save(Model model, Path adapter, Path output, SaveFormat format) {
        Path tokenizer = ModelOptions.tokenizerDirectory(adapter);
        model.save(output, format, writing -> TokenizerFiles.copy(tokenizer, writing));
    }
}
