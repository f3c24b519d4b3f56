package org.dpo4j.model;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
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

    /** What the names of all tensors but the head begin with. */
    private static final String MODEL = "model.";

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
        refuseInstead(directory, names, expected);
    }

    /** Throws where no name begins with "model.", and as a rule all have nothing or one other prefix in its place. */
    private static void refuseInstead(Path directory, Set<String> names, List<String> expected) {
        Set<String> bodies = expected.stream()
                .filter(name -> name.startsWith(MODEL))
                .map(name -> name.substring(MODEL.length()))
                .collect(Collectors.toSet());
        Map<String, List<String>> byPrefix = new TreeMap<>();
        for (String name : names) {
            String body = name;
            while (!body.isEmpty() && !bodies.contains(body)) {
                body = body.substring(body.indexOf('.') < 0 ? body.length() : body.indexOf('.') + 1);
            }
            if (!body.isEmpty()) {
                String prefix = name.substring(0, name.length() - body.length());
                byPrefix.computeIfAbsent(prefix, absent -> new ArrayList<>()).add(body);
            }
        }
        if (byPrefix.isEmpty() || byPrefix.containsKey(MODEL)) {
            return;
        }
        var commonest = Collections.max(
                byPrefix.entrySet(),
                Comparator.comparingInt(entry -> entry.getValue().size()));
        if (2 * commonest.getValue().size() < Math.min(bodies.size(), names.size())) {
            return;
        }
        String prefix = commonest.getKey();
        String body = commonest.getValue().get(0);
        String example = " (" + prefix + body + " stands for " + MODEL + body + "); ";
        throw new Dpo4jException(directory + ": the names of its tensors "
                + (prefix.isEmpty()
                        ? "lack \"" + MODEL + "\"" + example
                                + "save the whole model as AutoModelForCausalLM, not its inner"
                                + " model alone, or rename them"
                        : "begin with \"" + prefix + "\" instead of \"" + MODEL + "\"" + example
                                + "rename them, or save" + " the model as AutoModelForCausalLM"));
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
            if (!wanted.startsWith(MODEL)) {
                continue; // the head's name is shorter: what stands before it may stand in place of "model."
            }
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
