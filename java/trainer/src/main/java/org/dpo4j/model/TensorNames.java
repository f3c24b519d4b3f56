package org.dpo4j.model;

import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** What the names of a file's tensors say, where they are not the model's, of who wrote them. */
final class TensorNames {

    /** Who puts a prefix before every name, and how to save the model without. */
    private static final Map<String, String> WRITERS = Map.of(
            "module.", "DataParallel, DDP or DeepSpeed wrote it: save model.module",
            "_orig_mod.", "torch.compile wrote it: save model._orig_mod",
            "base_model.model.", "PEFT wrote it: merge the adapter (merge_and_unload) and save what that returns",
            "pretrained_model.", "a TRL model with a value head wrote it: save model.pretrained_model",
            "_fsdp_wrapped_module.", "FSDP wrote it: gather its full state dict and save that");

    private TensorNames() {}

    /** Throws where the names say what is wrong with all of them; {@code expected} are the model's. */
    static void refuse(Path directory, Set<String> names, List<String> expected) {
        if (names.stream().anyMatch(name -> name.contains(".lora_A.") || name.contains(".lora_B."))) {
            throw new Dpo4jException(
                    directory + " holds tensors of a LoRA adapter (" + any(names, ".lora_A.", ".lora_B.")
                            + "); merge it into its base model first (merge_and_unload of PEFT), and give that directory");
        }
        @Nullable String prefix = prefix(names, expected);
        if (prefix != null) {
            throw new Dpo4jException(directory + ": the names of its tensors begin with \"" + prefix + "\" (" + prefix
                    + expected.get(0) + "); " + writer(prefix)
                    + ", or rename them so that they begin as " + expected.get(0) + " does");
        }
        String body = expected.get(0).substring(expected.get(0).indexOf('.') + 1);
        if (names.contains(body) && !names.contains(expected.get(0))) {
            throw new Dpo4jException(directory + ": the names of its tensors lack \"model.\" (" + body
                    + "): the model was saved without its head; save it as AutoModelForCausalLM");
        }
    }

    private static String any(Collection<String> names, String... parts) {
        return names.stream()
                .filter(name -> List.of(parts).stream().anyMatch(name::contains))
                .findFirst()
                .orElseThrow();
    }

    /** What stands before the first expected name that a file's name ends with; null where nothing does. */
    private static @Nullable String prefix(Set<String> names, List<String> expected) {
        for (String wanted : expected) {
            if (names.contains(wanted)) {
                return null;
            }
            for (String name : names) {
                if (name.endsWith("." + wanted)) {
                    return name.substring(0, name.length() - wanted.length());
                }
            }
        }
        return null;
    }

    private static String writer(String prefix) {
        return WRITERS.entrySet().stream()
                .filter(writer -> prefix.startsWith(writer.getKey()))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse("save the inner model alone");
    }
}
