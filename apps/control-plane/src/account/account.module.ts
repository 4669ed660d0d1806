import { type DynamicModule, Module } from '@nestjs/common';
import { NotImplementedController } from '../http/not-implemented.controller';
import { OperationController } from '../operation/operation.controller';
import { AccountController } from './account.controller';

/** What belongs to no project, the operations of all, and the refusal of the rest. */
@Module({})
export class AccountModule {
  static with(node: DynamicModule): DynamicModule {
    return {
      module: AccountModule,
      imports: [node],
      // The refusal matches every path, so it comes last.
      controllers: [OperationController, AccountController, NotImplementedController],
    };
  }
}
