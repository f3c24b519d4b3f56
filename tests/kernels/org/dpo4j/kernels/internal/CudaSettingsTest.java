package org.dpo4j.kernels.internal;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How DPO4J_WITHOUT is read and when it is refused. {@link org.dpo4j.conformance.KernelsOffTest} tests its effect. */
class CudaSettingsTest {
    private static final String FORWARD = "attention_forward_sm90a";
    private static final String BACKWARD = "attention_backward_sm90a";

    @Test
    void thePropertyGoesBeforeTheVariable() {
        assertThat(CudaSettings.from(null, null).without()).isEmpty();
        assertThat(CudaSettings.from(null, FORWARD).kernelsOff()).containsExactly(FORWARD);
        assertThat(CudaSettings.from(BACKWARD, FORWARD).kernelsOff()).containsExactly(BACKWARD);
        assertThat(CudaSettings.from("", FORWARD).kernelsOff()).isEmpty();
        assertThat(CudaSettings.from(null, FORWARD).residentClusters()).isZero();
    }

    @Test
    void namesAreSeparatedByCommas() {
        CudaSettings both = CudaSettings.from(null, " " + FORWARD + " , " + BACKWARD);
        assertThat(both.kernelsOff()).containsExactly(FORWARD, BACKWARD);
        NativeLibrary.load();
        assertThat(both.refusal()).isNull();
        assertThat(CudaSettings.from(null, " ").refusal()).isNull();
    }

    /** Names are checked in every build, also in one without CUDA kernels. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "attention|attention",
                "attention_forward_sm90a,lm_head|lm_head",
                "ATTENTION_FORWARD_SM90A|ATTENTION_FORWARD_SM90A",
                "attention_forward_sm90a attention_backward_sm90a|attention_forward_sm90a attention_backward_sm90a",
                "attention_forward_sm90a,|''",
                "attention_forward_mma|attention_forward_mma"
            })
    void unknownNamesAreRefusedWithTheKnownOnes(String names, String unknown) {
        NativeLibrary.load();
        assertThat(CudaSettings.from(null, names).refusal())
                .isEqualTo("DPO4J_WITHOUT (or -Ddpo4j.without) is '" + names + "': '" + unknown
                        + "' is no kernel that can be turned off: use attention_forward_sm90a, attention_backward_sm90a,"
                        + " lm_head_forward_sm90a, lm_head_exponentials_sm90a, attention_decode");
    }
}
