package org.dpo4j.kernels;

import static java.util.stream.Collectors.toMap;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.dpo4j.kernels.PreferenceOptions.Scalar;
import org.dpo4j.kernels.decoder.Activation;
import org.dpo4j.kernels.decoder.QuantType;
import org.dpo4j.kernels.internal.LossTrait;
import org.junit.jupiter.api.Test;

/** The codes of Java's enums are those of the C header, compared by name. */
class EnumCodesTest {

    /** The constants of a C enum by name, without the common prefix and without the constant that counts them. */
    private static Map<String, Integer> constants(String type, String prefix) throws IOException {
        String header = Files.readString(Path.of(System.getenv("DPO4J_ROOT"), "native", "dpo4j.h"));
        Matcher body =
                Pattern.compile("enum " + type + " \\{(.*?)};", Pattern.DOTALL).matcher(header);
        assertThat(body.find()).as("enum %s", type).isTrue();
        Map<String, Integer> constants = new LinkedHashMap<>();
        Matcher constant = Pattern.compile(prefix + "_(\\w+) = (1 << )?(\\d+)").matcher(body.group(1));
        while (constant.find()) {
            int number = Integer.parseInt(constant.group(3));
            constants.put(constant.group(1), constant.group(2) == null ? number : 1 << number);
        }
        return constants;
    }

    private static <E extends Enum<E>> Map<String, Integer> codes(E[] values, Function<E, Integer> code) {
        return Arrays.stream(values).collect(toMap(Enum::name, code));
    }

    @Test
    void losses() throws IOException {
        assertThat(codes(LossType.values(), LossType::code)).isEqualTo(constants("dpo4j_loss", "DPO4J_LOSS"));
    }

    @Test
    void divergences() throws IOException {
        Map<String, Integer> codes = new LinkedHashMap<>();
        for (Divergence divergence : Divergence.values()) {
            codes.put(divergence.name().replace("_DIVERGENCE", ""), divergence.code());
        }
        assertThat(codes).isEqualTo(constants("dpo4j_divergence", "DPO4J_DIVERGENCE"));
    }

    @Test
    void unpairedLosses() throws IOException {
        Map<String, Integer> codes = new LinkedHashMap<>();
        for (UnpairedLoss.Type type : UnpairedLoss.Type.values()) {
            codes.put(type.name().replace("_UNPAIRED", ""), type.code());
        }
        Map<String, Integer> constants = constants("dpo4j_unpaired", "DPO4J_UNPAIRED");
        assertThat(constants.remove("LOSSES")).isEqualTo(codes.size());
        assertThat(codes).isEqualTo(constants);
    }

    @Test
    void quantTypes() throws IOException {
        assertThat(codes(QuantType.values(), QuantType::code)).isEqualTo(constants("dpo4j_quant_type", "DPO4J"));
    }

    @Test
    void activations() throws IOException {
        assertThat(codes(Activation.Kind.values(), Activation.Kind::code))
                .isEqualTo(constants("dpo4j_activation_kind", "DPO4J_ACTIVATION"));
    }

    @Test
    void traits() throws IOException {
        Map<String, Integer> bits = codes(LossTrait.values(), LossTrait::bit);
        bits.putAll(codes(Scalar.values(), Scalar::trait));
        assertThat(bits).isEqualTo(constants("dpo4j_trait", "DPO4J_TRAIT"));
    }

    /** These enums are indices, so Java's order must be the header's. */
    @Test
    void indices() throws IOException {
        Map<String, Integer> metrics = constants("dpo4j_metric", "DPO4J_METRIC");
        assertThat(codes(PreferenceLoss.Metric.values(), Enum::ordinal)).isEqualTo(metrics);
        Map<String, Integer> statistics = constants("dpo4j_token_statistic", "DPO4J_TOKEN");
        assertThat(statistics.remove("STATISTICS")).isEqualTo(TokenLogProb.STATISTICS);
        assertThat(codes(TokenLogProb.Statistic.values(), Enum::ordinal)).isEqualTo(statistics);
    }
}
