package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.QuantType;
import org.dpo4j.model.FourBit;
import org.dpo4j.model.LoraConfig;
import org.dpo4j.model.LoraTargets;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** LoRA adapters to train instead of the model's weights, by the names of TRL's {@code ModelConfig} and of PEFT. */
public final class LoraOptions extends OptionGroup {
    private static final int DEFAULT_RANK = 16;
    private static final double DEFAULT_ALPHA = 32;

    /** A name of a module, or the end of one; anything else is a regular expression. */
    private static final Pattern NAME = Pattern.compile("[\\w.-]+");

    /** Whether adapters are trained, and the model's weights are frozen. */
    @Option(
            names = "--use_peft",
            arity = "0..1",
            fallbackValue = "true",
            description =
                    "Train LoRA adapters, and freeze the model's weights; default ${DEFAULT-VALUE}. output_dir then"
                            + " has the adapter in PEFT's format.")
    boolean usePeft = false;

    /** {@code r}; null: {@value #DEFAULT_RANK}. */
    @Option(names = "--lora_r", description = "Rank of the adapters; default " + DEFAULT_RANK + ". Needs use_peft.")
    @Nullable
    Integer loraR;

    /** {@code lora_alpha}; null: 32. */
    @Option(
            names = "--lora_alpha",
            description = "Factor of the adapters: they are multiplied by lora_alpha / lora_r; default 32. Needs"
                    + " use_peft.")
    @Nullable
    Double loraAlpha;

    /** Only 0 is possible; null: 0. */
    @Option(
            names = "--lora_dropout",
            description = "Dropout of the adapters' input. Only 0, the default, is supported; TRL's default is 0.05.")
    @Nullable
    Double loraDropout;

    /** Names of modules, {@code all-linear}, or one regular expression; null: PEFT's default of the family. */
    @Option(
            names = "--lora_target_modules",
            arity = "1..*",
            split = ",",
            description = "Modules that have adapters: names such as q_proj,v_proj, or all-linear, or one regular"
                    + " expression for whole names; default those of PEFT for the model's family. Needs use_peft.")
    @Nullable
    List<String> loraTargetModules;

    /** Whether the factor is {@code lora_alpha / sqrt(lora_r)}. */
    @Option(
            names = "--use_rslora",
            arity = "0..1",
            fallbackValue = "true",
            description =
                    "Rank-stabilized LoRA: the factor is lora_alpha / sqrt(lora_r); default false. Needs use_peft.")
    @Nullable
    Boolean useRslora;

    /** Ranks of some modules. */
    @Option(
            names = "--lora_rank_pattern",
            description =
                    "Other ranks of some modules: NAME=RANK,NAME=RANK, where NAME is the end of a module's name or a"
                            + " regular expression for it (rank_pattern of PEFT).")
    OptionMap loraRankPattern = OptionMap.EMPTY;

    /** Factors of some modules. */
    @Option(
            names = "--lora_alpha_pattern",
            description = "Other values of lora_alpha for some modules, likewise (alpha_pattern of PEFT).")
    OptionMap loraAlphaPattern = OptionMap.EMPTY;

    /** Whether the matrices of the base model's layers are stored in 4 bits. */
    @Option(
            names = "--load_in_4bit",
            arity = "0..1",
            fallbackValue = "true",
            description = "QLoRA: store the base model's linear layers in 4 bits, as bitsandbytes does; default false."
                    + " Needs use_peft.")
    @Nullable
    Boolean loadIn4bit;

    /** The numbers that 4-bit codes stand for; null: nf4. */
    @Option(
            names = "--bnb_4bit_quant_type",
            description = "With load_in_4bit, the numbers that codes stand for: ${COMPLETION-CANDIDATES}; default nf4.")
    @Nullable
    FourBitType bnb4bitQuantType;

    /** Whether absmax values are stored in 8 bits. */
    @Option(
            names = "--use_bnb_nested_quant",
            arity = "0..1",
            fallbackValue = "true",
            description =
                    "With load_in_4bit, store the absmax of each 64 weights in 8 bits instead of 32; default false.")
    @Nullable
    Boolean useBnbNestedQuant;

    /** Only {@code dtype} is possible; null: {@code dtype}. */
    @Option(
            names = "--bnb_4bit_compute_dtype",
            description = "With load_in_4bit, the dtype of products. Only dtype, the default, is supported, as in TRL.")
    @Nullable
    Precision bnb4bitComputeDtype;

    /**
     * How the base model is stored in 4 bits; null if it is not.
     *
     * @param storage of the other weights
     */
    public @Nullable FourBit fourBit(DType storage) {
        if (loadIn4bit == null || !loadIn4bit) {
            return null;
        }
        if (bnb4bitComputeDtype != null && bnb4bitComputeDtype.storage() != storage) {
            throw new Dpo4jException("bnb_4bit_compute_dtype is " + bnb4bitComputeDtype + ", but dtype is "
                    + Precision.of(storage) + "; set both to the same, or leave bnb_4bit_compute_dtype out");
        }
        return new FourBit(
                bnb4bitQuantType == null ? QuantType.NF4 : bnb4bitQuantType.type(),
                useBnbNestedQuant != null && useBnbNestedQuant);
    }

    /** The adapters to train; null if all weights are trained. */
    public @Nullable LoraConfig config() {
        if (!usePeft) {
            return null;
        }
        return new LoraConfig(
                loraR == null ? DEFAULT_RANK : loraR,
                loraAlpha == null ? DEFAULT_ALPHA : loraAlpha,
                targets(),
                useRslora != null && useRslora,
                numbers("lora_rank_pattern", loraRankPattern, Integer::valueOf),
                numbers("lora_alpha_pattern", loraAlphaPattern, Double::valueOf));
    }

    private LoraTargets targets() {
        if (loraTargetModules == null) {
            return new LoraTargets.FamilyDefault();
        }
        return loraTargetModules.size() == 1
                        && !NAME.matcher(loraTargetModules.get(0)).matches()
                ? new LoraTargets.Matching(loraTargetModules.get(0))
                : LoraTargets.named(loraTargetModules);
    }

    private static <T> Map<String, T> numbers(String name, OptionMap map, Function<String, T> parse) {
        Map<String, T> numbers = new LinkedHashMap<>();
        map.values().forEach((module, value) -> {
            try {
                numbers.put(module, parse.apply(String.valueOf(value)));
            } catch (NumberFormatException e) {
                throw new Dpo4jException(name + " has " + module + "=" + value + "; a number is expected", e);
            }
        });
        return numbers;
    }

    /** Throws, naming the option, if an option is not supported, or is given without {@code use_peft}. */
    void checkValues() {
        if (usePeft && loraDropout != null && loraDropout != 0) {
            throw new Dpo4jException("lora_dropout is " + loraDropout
                    + ", but adapters have no dropout here; set it to 0 (TRL's default is 0.05)");
        }
        if (!usePeft) {
            values().forEach((name, value) -> {
                if (!isDefault(name, value)) {
                    throw new Dpo4jException(
                            name + " is " + value + " but use_peft is false; set use_peft to true, or leave it out");
                }
            });
        }
        if (loadIn4bit == null || !loadIn4bit) {
            checkWithout4bit();
        }
        config();
    }

    private void checkWithout4bit() {
        values().forEach((name, value) -> {
            boolean isOf4bit = name.startsWith("bnb_4bit") || name.equals("use_bnb_nested_quant");
            if (isOf4bit && !value.equals(FourBitType.NF4) && !value.equals(false)) {
                throw new Dpo4jException(name + " is " + value
                        + " but load_in_4bit is false; set load_in_4bit to true, or leave it out");
            }
        });
    }

    /** A file of TRL may state its defaults although nothing reads them. */
    private static boolean isDefault(String name, Object value) {
        return switch (name) {
            case "use_peft", "load_in_4bit", "bnb_4bit_quant_type", "bnb_4bit_compute_dtype", "use_bnb_nested_quant" ->
                true; // an adapter that is trained on has them too
            case "lora_dropout" -> value.equals(0.0) || value.equals(0.05);
            case "lora_r" -> value.equals(DEFAULT_RANK);
            case "lora_alpha" -> value.equals(DEFAULT_ALPHA);
            case "use_rslora" -> value.equals(false);
            default -> value instanceof OptionMap map && map.isEmpty();
        };
    }
}
