package org.dpo4j.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.io.FileErrors;
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
            Model.readConfig(adapter); // says what is wrong with a path that is no model either
            throw new Dpo4jException("model_name_or_path " + adapter
                    + " is no adapter: it has no adapter_config.json; there is nothing to merge");
        }
        if (!output.overwriteOutputDir && CompleteModel.isIn(output.directory())) {
            throw new Dpo4jException("output_dir " + output.directory()
                    + " holds a model already; choose another, or set overwrite_output_dir to replace it");
        }
        requireBaseKept(adapter, output);
        output.saveFormat();
    }

    /** Throws if {@code output_dir} is the base model of an adapter: it would be replaced, and the adapter be of no use. */
    static void requireBaseKept(Path model, OutputOptions output) {
        Path base = Model.baseDirectory(model);
        try {
            if (Files.exists(output.directory()) && Files.isSameFile(base, output.directory())) {
                throw new Dpo4jException("output_dir " + output.directory()
                        + " is the base model of the adapter, which needs its weights as they are; choose another"
                        + " directory");
            }
        } catch (IOException e) {
            throw new Dpo4jException(
                    output.directory() + " cannot be compared with " + base + " (" + FileErrors.reason(e)
                            + "); choose another output_dir",
                    e);
        }
    }

    /** Loads, merges and saves, with the tokenizer's files. Nothing is written if a weight is not finite. */
    public static void run(ModelOptions options, OutputOptions output, Device device, RunListener listener) {
        check(options, output);
        DType storage = options.dtype == null ? Precision.FLOAT32.storage() : options.dtype.storage();
        try (Model model = Model.load(options.directory(), device, storage, new LoadingReport(listener))) {
            merge(model, options.directory(), listener);
            saveLocked(model, options.directory(), output, listener);
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

    /** A run that writes into the same directory would delete the model. */
    private static void saveLocked(Model model, Path adapter, OutputOptions output, RunListener listener) {
        boolean isNew = !Files.exists(output.directory());
        try (OutputLock lock = OutputLock.make(output.directory(), listener)) {
            save(model, adapter, lock.directory(), output.saveFormat());
        } catch (Dpo4jException e) {
            if (isNew) {
                DirectoryFiles.deleteEmpty(output.directory(), e);
            }
            throw e;
        }
    }

    private static void save(Model model, Path adapter, Path output, SaveFormat format) {
        Path tokenizer = ModelOptions.tokenizerDirectory(adapter);
        model.save(output, format, writing -> TokenizerFiles.copy(tokenizer, writing));
    }
}
