package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.io.hub.Hub;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.AdapterBase;
import org.dpo4j.model.Model;
import org.dpo4j.model.NamedModel;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The model that a command loads, and the dtype of its weights. */
public final class ModelOptions extends OptionGroup implements Downloadable {

    /** Hugging Face directory, or the name of a model. */
    @Option(
            names = "--model_name_or_path",
            description =
                    "Required. Hugging Face model directory, or the name of a model in the local Hugging Face cache.")
    @Nullable
    Path modelNameOrPath;

    /** Revision of a model that is given by name; null for {@code main}. */
    @Option(
            names = "--model_revision",
            description = "Branch, tag or commit of model_name_or_path, if that is a name; default main.")
    @Nullable
    String modelRevision;

    /** Storage of weights and activations; null: bf16 on {@code cuda}, f32 on {@code cpu}. */
    @Option(
            names = "--dtype",
            description =
                    "Storage of weights and activations: ${COMPLETION-CANDIDATES}; default bfloat16 on cuda, float32"
                            + " on cpu.")
    @Nullable
    Precision dtype;

    /** The directory that was found, so that a run reads one snapshot, also if a branch moves; null: not looked for yet. */
    private @Nullable Path found;

    /** Whether a model is given. */
    public boolean hasDirectory() {
        return modelNameOrPath != null;
    }

    /** Throws if no model is given. */
    void checkGiven() {
        required("model_name_or_path", modelNameOrPath);
    }

    /** The directory. Throws if none is given, or it is a name that the local cache of the hub does not have. */
    public Path directory() {
        Path directory = found;
        if (directory == null) {
            directory = named().directory();
            found = directory;
        }
        return directory;
    }

    private NamedModel named() {
        return new NamedModel(NamedModel.Origin.MODEL, required("model_name_or_path", modelNameOrPath), modelRevision);
    }

    /** The model as it was given, as the base model of an adapter: a directory, or a name with its revision. */
    AdapterBase adapterBase() {
        NamedModel named = named();
        return new AdapterBase(named.given().toString(), named.repository() == null ? null : modelRevision);
    }

    /** The directory of the tokenizer's files: an adapter may be without them, and then it is that of its base model. */
    public Path tokenizerDirectory() {
        return tokenizerDirectory(directory());
    }

    /** The directory of the tokenizer's files of a model or an adapter. */
    public static Path tokenizerDirectory(Path directory) {
        return TokenizerFiles.find(directory).isEmpty() ? Model.baseDirectory(directory) : directory;
    }

    @Override
    public void download(Hub hub) {
        ModelDownload.all(named(), hub);
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
