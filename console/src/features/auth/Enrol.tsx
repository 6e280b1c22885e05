import { logout } from '~/api/session';
import { useMfa } from '~/features/profile/mfa';
import { SecondFactors } from '~/features/profile/SecondFactors';
import { Button } from '~/ui/button';
import { toastProblem } from '~/ui/toast';
import { AuthFrame } from './AuthFrame';
import { StepUpDialog } from './StepUpDialog';

/** All that a login reaches whose organisation asks for a second factor that the person does not have. */
export function Enrol({ onDone }: { onDone: () => void }) {
  // Set up in another tab, say.
  const isThere = useMfa().data?.enabled;
  return (
    <AuthFrame
      title="Set up a second factor"
      lead="Your organisation asks for one. Then everything is there."
      footer={
        <Button tone="quiet" small onPress={() => void logout().catch(toastProblem)}>
          Log out
        </Button>
      }
    >
      <SecondFactors onDone={onDone} />
      {isThere && (
        <div className="form-actions">
          <Button tone="primary" onPress={onDone}>
            Go on
          </Button>
        </div>
      )}
      <StepUpDialog />
    </AuthFrame>
  );
}
