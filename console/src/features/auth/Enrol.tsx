import { logout } from '~/api/session';
import { SecondFactors } from '~/features/profile/SecondFactors';
import { Button } from '~/ui/button';
import { AuthFrame } from './AuthFrame';
import { StepUpDialog } from './StepUpDialog';

/** All that a login reaches whose organisation asks for a second factor that the person does not have. */
export function Enrol() {
  return (
    <AuthFrame
      title="Set up a second factor"
      lead="Your organisation asks for one. Then everything is there."
      footer={
        <Button tone="quiet" small onPress={() => void logout()}>
          Log out
        </Button>
      }
    >
      <SecondFactors />
      <StepUpDialog />
    </AuthFrame>
  );
}
