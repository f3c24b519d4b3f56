package org.dpo4j.model;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.dpo4j.io.FloatFormats;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.io.SafeTensorsHeader;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.ModelConfig;

/** Reads {@code adapter_model.safetensors}, in which PEFT stores the matrices of an adapter. */
final class AdapterFiles {
    static final String FILE = "adapter_model.safetensors";

    private static final int MAX_NAMES = 20;

    private AdapterFiles() {}

    /** The layout of the adapter that a directory's config describes. Errors name the directory. */
    static AdapterLayout layout(Path directory, ParameterLayout base, ModelConfig model, LoraConfig config) {
        try {
            return new AdapterLayout(base, model, config);
        } catch (Dpo4jException e) {
            throw new Dpo4jException(
                    directory.resolve(AdapterConfigJson.FILE) + " and the base model disagree: " + e.getMessage(), e);
        }
    }

    /** Fills the parameters. Returns the dtype of each tensor. Throws one error with all differences to the layout. */
    static Map<String, SavedDtype> upload(Path directory, AdapterLayout layout, Parameters parameters) {
        try (SafeTensors file = SafeTensors.open(directory.resolve(FILE))) {
            check(file, layout);
            Map<String, SavedDtype> dtypes = new HashMap<>();
            List<TensorUpload.Tensor> uploads = new ArrayList<>();
            for (ParameterTensor tensor : layout.tensors()) {
                SafeTensorsHeader.Entry entry =
                        Objects.requireNonNull(file.entries().get(tensor.name()));
                dtypes.put(tensor.name(), SavedDtype.stored(entry.dtype()));
                uploads.add(new TensorUpload.Tensor(tensor.placement(), file, entry));
            }
            new TensorUpload(parameters.flatWeights(), uploads, LoadProgress.NONE).run();
            return dtypes;
        }
    }

    private static void check(SafeTensors file, AdapterLayout layout) {
        Map<String, SafeTensorsHeader.Entry> rest = new LinkedHashMap<>(file.entries());
        List<String> wrong = new ArrayList<>();
        for (ParameterTensor tensor : layout.tensors()) {
            SafeTensorsHeader.Entry entry = rest.remove(tensor.name());
            if (entry == null) {
                wrong.add(tensor.name() + " is missing");
            } else if (!entry.shape().equals(tensor.shape())) {
                wrong.add(tensor.name() + " has the shape " + entry.shape() + " instead of " + tensor.shape());
            } else if (FloatFormats.bytes(entry.dtype()) == 0) {
                wrong.add(tensor.name() + " has the type " + entry.dtype() + "; F32, BF16 or F16 is expected");
            }
        }
        rest.keySet().forEach(name -> wrong.add(name + " is not part of the adapter"));
        if (!wrong.isEmpty()) {
            int shown = Math.min(wrong.size(), MAX_NAMES);
            throw new Dpo4jException(file.file() + " does not fit " + AdapterConfigJson.FILE + " and the base model: "
                    + String.join(", ", wrong.subList(0, shown))
                    + (shown == wrong.size() ? "" : ", and " + (wrong.size() - shown) + " more")
                    + "; check that adapter and base_model_name_or_path belong together");
        }
    }
}
